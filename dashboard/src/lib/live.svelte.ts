/**
 * Events of the server: that something was recorded or changed, and how far jobs are. While there is no stream of them, because
 * the server has as many as it may or a proxy lets none through, the page asks from time to time (`resource.svelte.ts`).
 */
import type { Job } from "./api.ts";
import { firstStoreVersion } from "./first-answers.ts";

/** How long after the server has refused a stream another one is asked for, in milliseconds. */
const REFUSED_PAUSE_MS = 60_000;
/**
 * The time between two refreshes, in milliseconds. It doubles while changes continue, because a backfill commits several times a
 * second, a refresh is about ten requests, and a user may send a hundred a minute (`access.rate_limit_per_minute`).
 */
const [MIN_PAUSE_MS, MAX_PAUSE_MS] = [2000, 30_000];

class Live {
  /** Whether the stream of events is open. */
  isOpen = $state(false);
  /** The jobs of the server that run, or ended while the stream was open, by id. */
  jobs = $state.raw<ReadonlyMap<string, Job>>(new Map());
  #listeners = new Set<(job: Job) => void>();

  /** Calls `listener` with the news of every job, until the returned function is called. */
  onJob(listener: (job: Job) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  heard(job: Job): void {
    this.jobs = new Map(this.jobs).set(job.id, job);
    for (const listener of this.#listeners) listener(job);
  }

  /** Forgets the jobs, of which a new stream tells those that run. */
  forgetJobs(): void {
    if (this.jobs.size > 0) this.jobs = new Map();
  }
}

export const live = new Live();

export const isRunning = ({ status }: Job) => status === "running" || status === "queued";

/**
 * Listens until the returned function is called, and calls `onchange` after changes, once at a time. A page that is not seen listens to nothing: a
 * browser opens only six connections to a server.
 */
export function listen(onchange: () => Promise<void>): () => void {
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let due: ReturnType<typeof setTimeout> | undefined;
  // A page that was just opened has new answers: its first refresh waits as well.
  let refreshedAt = Date.now();
  let pauseMs = MIN_PAUSE_MS;
  let isRefreshing = false;
  let isMissed = false;
  let wasOpen = false;

  const changed = () => {
    if (isRefreshing) isMissed = true;
    else due ??= setTimeout(() => void refresh(), Math.max(0, refreshedAt + pauseMs - Date.now()));
  };
  const refresh = async () => {
    due = undefined;
    pauseMs = Date.now() - refreshedAt < 2 * MAX_PAUSE_MS ? Math.min(2 * pauseMs, MAX_PAUSE_MS) : MIN_PAUSE_MS;
    isRefreshing = true;
    isMissed = false;
    await onchange();
    isRefreshing = false;
    refreshedAt = Date.now();
    if (isMissed) changed();
  };
  const heard = (job: Job) => {
    live.heard(job);
    if (isRunning(job)) return;
    // All changes of the job are committed, so that its end is shown without the longer pause.
    clearTimeout(due);
    due = undefined;
    pauseMs = MIN_PAUSE_MS;
    changed();
  };
  const close = () => {
    clearTimeout(again);
    source?.close();
    source = undefined;
    live.isOpen = false;
    live.forgetJobs();
  };
  const open = () => {
    if (source || document.hidden) return;
    // A change since the page was made is reported at once.
    source = new EventSource(`/api/v1/events${firstStoreVersion ? `?since=${firstStoreVersion}` : ""}`);
    source.onopen = () => {
      // Changes between two streams cause no event.
      if (wasOpen) changed();
      wasOpen = true;
      live.forgetJobs();
      live.isOpen = true;
    };
    source.onerror = () => {
      live.isOpen = false;
      // A stream that broke off is opened again by the browser, and one that was refused is not.
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      again = setTimeout(open, REFUSED_PAUSE_MS);
    };
    source.addEventListener("changed", changed);
    source.addEventListener("job", (event) => heard(JSON.parse(event.data as string) as Job));
  };
  const onvisibilitychange = () => (document.hidden ? close() : open());

  open();
  document.addEventListener("visibilitychange", onvisibilitychange);
  return () => {
    document.removeEventListener("visibilitychange", onvisibilitychange);
    clearTimeout(due);
    close();
  };
}
