/**
 * Events of the server: that something was recorded or changed, and how far jobs are. While there is no stream of them, because
 * the server has as many as it may or a proxy lets none through, the page asks from time to time (`resource.svelte.ts`).
 */
import type { Job } from "./api.ts";
import { firstMarker } from "./first-answers.ts";

/** How long after the server has refused a stream another one is asked for, in milliseconds. */
const REFUSED_PAUSE_MS = 60_000;
/** The shortest time between two refreshes: a backfill commits several times a second. */
const MIN_PAUSE_MS = 1500;

class Live {
  /** Whether the server tells what happens. */
  isOpen = $state(false);
  /** The jobs of the server that run, or ended while the page was open, by id. */
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
}

export const live = new Live();

/**
 * Listens until the returned function is called, and calls `onchange` after changes. A page that is not seen listens to nothing: a
 * browser opens only six connections to a server.
 */
export function listen(onchange: () => void): () => void {
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let due: ReturnType<typeof setTimeout> | undefined;
  let lastChange = 0;

  const changed = () => {
    const wait = Math.max(0, lastChange + MIN_PAUSE_MS - Date.now());
    due ??= setTimeout(() => {
      due = undefined;
      lastChange = Date.now();
      onchange();
    }, wait);
  };
  const close = () => {
    clearTimeout(again);
    source?.close();
    source = undefined;
    live.isOpen = false;
  };
  const open = () => {
    if (source || document.hidden) return;
    // What changed since the page was made is told at once.
    source = new EventSource(`/api/v1/events${firstMarker ? `?since=${firstMarker}` : ""}`);
    source.onopen = () => {
      // What happened before is not told.
      if (lastChange > 0) changed();
      lastChange ||= 1;
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
    source.addEventListener("job", (event) => live.heard(JSON.parse(event.data as string) as Job));
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
