/**
 * Answers of the server that a page shows. The last good answer is kept while another one is on its way and while the server
 * is away, and everything that is shown is asked for again from time to time: the browser revalidates by entity tag, so that
 * an answer that still holds costs a 304.
 */
import { DaymarkError } from "./api.ts";
import { connection } from "./connection.svelte.ts";
import { firstAnswers } from "./first-answers.ts";
import { live } from "./live.svelte.ts";

/**
 * The time between two checks for news, in milliseconds: while the server answers, while it reports changes by itself, and after a
 * failed request, which doubles up to the first one.
 */
const REFRESH_MS = 30_000;
const LIVE_REFRESH_MS = 300_000;
const RETRY_MS = 5_000;
/** Answers that are kept for pages that are opened again. */
const MAX_KEPT = 40;

interface Kept {
  data: unknown;
  at: number;
}
const kept = new Map<string, Kept>([...firstAnswers].map(([key, data]) => [key, { data, at: Date.now() }]));
/** For how long after the page began its first answers are taken as new, in milliseconds. */
const FIRST_MS = 10_000;
const isNew = (key: string) => firstAnswers.has(key) && performance.now() < FIRST_MS;
/** Questions that are on their way: several parts of a page that ask the same share the answer. */
const onTheirWay = new Map<string, Promise<unknown>>();
const shown = new Set<Resource<unknown>>();

export class Resource<T> {
  data = $state.raw<T>();
  error = $state.raw<Error>();
  isLoading = $state(false);
  /** The question that `data` answers, or that is asked. */
  key = $state.raw<string>();
  #ask: (() => Promise<T>) | undefined;
  #turn = 0;
  #text = "";

  /** Shows the answer of `ask`, which `key` identifies. */
  show(key: string, ask: () => Promise<T>): void {
    if (key === this.key) return;
    this.key = key;
    this.#ask = ask;
    const known = kept.get(key);
    this.data = known?.data as T | undefined;
    this.#text = "";
    this.error = undefined;
    connection.note(this, "");
    // The server reports what has changed since the page was made (`live.svelte.ts`).
    if (!isNew(key)) void this.refresh();
  }

  /** Shows nothing. */
  clear(): void {
    this.key = this.#ask = undefined;
    this.#turn++;
    this.data = this.error = undefined;
    this.isLoading = false;
    connection.note(this, "");
  }

  async refresh(): Promise<void> {
    const [key, ask, turn] = [this.key, this.#ask, ++this.#turn];
    if (key === undefined || ask === undefined) return;
    this.isLoading = true;
    try {
      const data = await shared(key, ask);
      connection.answered();
      remember(key, data);
      if (turn !== this.#turn) return;
      const text = JSON.stringify(data);
      // What has not changed is not drawn again.
      if (text !== this.#text) this.data = data;
      this.#text = text;
      this.error = undefined;
      connection.note(this, "");
    } catch (cause) {
      if (turn !== this.#turn) return;
      this.error = cause instanceof Error ? cause : new Error(String(cause));
      report(this.error);
      if (this.data !== undefined && this.error instanceof DaymarkError) connection.note(this, this.error.message);
    } finally {
      if (turn === this.#turn) this.isLoading = false;
    }
  }

  /** @internal */
  attach(): () => void {
    shown.add(this as Resource<unknown>);
    return () => {
      shown.delete(this as Resource<unknown>);
      connection.note(this, "");
    };
  }
}

function shared<T>(key: string, ask: () => Promise<T>): Promise<T> {
  const known = onTheirWay.get(key);
  if (known) return known as Promise<T>;
  const asked = ask().finally(() => {
    if (onTheirWay.get(key) === asked) onTheirWay.delete(key);
  });
  onTheirWay.set(key, asked);
  return asked;
}

function remember(key: string, data: unknown): void {
  firstAnswers.delete(key);
  kept.delete(key);
  kept.set(key, { data, at: Date.now() });
  const oldest = kept.keys().next();
  if (kept.size > MAX_KEPT && !oldest.done) kept.delete(oldest.value);
}

/** Forgets every answer: of another principal, the same questions have other ones. */
export function forgetAnswers(): void {
  kept.clear();
  firstAnswers.clear();
}

function report(error: Error): void {
  // An answer that is no problem document comes from a proxy that did not reach the server.
  if (!(error instanceof DaymarkError) || (error.problem.status >= 502 && !error.problem.type.startsWith("urn:daymark:"))) connection.lost();
  else if (error.kind === "unauthenticated") connection.refused = error.message;
  else connection.answered();
}

/**
 * A resource that a component shows. `question` is read again whenever what it depends on changes; where it is `undefined`,
 * nothing is asked.
 */
export function resource<T>(question: () => { key: string; ask: () => Promise<T> } | undefined): Resource<T> {
  const made = new Resource<T>();
  $effect(() => made.attach());
  $effect(() => {
    const asked = question();
    if (asked) made.show(asked.key, asked.ask);
    else made.clear();
  });
  return made;
}

/** Asks again for everything that is shown. */
export async function refreshShown(): Promise<void> {
  // Requests in flight, and the answers that came with the page, may be older than the change that is to be shown.
  onTheirWay.clear();
  firstAnswers.clear();
  await Promise.all([...shown].map((resource) => resource.refresh()));
}

let looking: Promise<void> | undefined;

/** Requests everything that is shown, unless that is in progress, or the server has set a pause. */
export function lookForNews(): Promise<void> {
  if (Date.now() < connection.busyUntil) return Promise.resolve();
  looking ??= look().finally(() => (looking = undefined));
  return looking;
}

async function look(): Promise<void> {
  // A single request, the one of the session, shows whether the server is back, or the user has signed in on another page.
  const [sessionAnswer] = shown;
  const isClosed = () => connection.lostSince !== undefined || connection.refused !== undefined;
  if (isClosed()) await sessionAnswer?.refresh();
  if (isClosed()) return;
  await refreshShown();
  // With public reading, a session that has ended becomes an anonymous one.
  if (connection.refused !== undefined) await sessionAnswer?.refresh();
}

/** Looks for news until the returned function is called: sooner while the server is away, and not while the page is hidden. */
export function watchForNews(): () => void {
  let lookedAt = Date.now();
  let retryMs = RETRY_MS;
  const lookAgain = async () => {
    lookedAt = Date.now();
    if (document.hidden) return;
    await lookForNews();
    retryMs = connection.staleReason ? Math.min(2 * retryMs, REFRESH_MS) : RETRY_MS;
  };
  const tick = () => {
    const isTroubled = connection.lostSince !== undefined || connection.staleReason !== "";
    const pause = isTroubled ? retryMs : live.isOpen ? LIVE_REFRESH_MS : REFRESH_MS;
    if (Date.now() - lookedAt >= pause) void lookAgain();
  };
  // The user may have signed in on another page.
  const onvisibilitychange = () => (connection.refused === undefined ? tick() : void lookAgain());
  const ononline = () => void lookAgain();
  const timer = setInterval(tick, RETRY_MS);
  document.addEventListener("visibilitychange", onvisibilitychange);
  window.addEventListener("online", ononline);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", onvisibilitychange);
    window.removeEventListener("online", ononline);
  };
}
