/** A run that was started from here, followed until it ends. */
import { answered, daymark, type Job } from "./api.ts";
import { live } from "./live.svelte.ts";
import { refreshShown } from "./resource.svelte.ts";

/** The time between two looks at a job, in milliseconds: soon at first, later rarely enough for the limit of requests a minute. */
const [FIRST_PAUSE_MS, LAST_PAUSE_MS] = [400, 3000];

export class RunningJob {
  job = $state.raw<Job>();
  error = $state.raw<Error>();
  #isWatched = true;

  get isRunning(): boolean {
    return this.job?.status === "running" || this.job?.status === "queued";
  }

  /** Starts what `ask` asks for, and follows it. */
  start(ask: () => Promise<Job>): Promise<void> {
    return this.#follow(ask);
  }

  /** Follows a job that was started before. */
  follow(id: string): Promise<void> {
    return this.#follow(() => this.#look(id));
  }

  async #follow(ask: () => Promise<Job>): Promise<void> {
    this.error = undefined;
    try {
      this.job = await ask();
      let pause = FIRST_PAUSE_MS;
      while (this.#isWatched && this.isRunning) {
        const id: string = this.job.id;
        const told = await news(id, pause);
        pause = Math.min(LAST_PAUSE_MS, pause * 1.5);
        this.job = told ?? (await this.#look(id));
      }
    } catch (cause) {
      this.error = cause instanceof Error ? cause : new Error(String(cause));
    }
    await refreshShown();
  }

  #look(id: string): Promise<Job> {
    return answered(daymark.GET("/api/v1/jobs/{id}", { params: { path: { id } } }));
  }

  /** Stops looking; the run goes on. */
  leave(): void {
    this.#isWatched = false;
  }
}

/** What the server tells of the job within the time, if it does. */
function news(id: string, withinMs: number): Promise<Job | undefined> {
  return new Promise((resolve) => {
    const end = (job?: Job) => {
      clearTimeout(timer);
      stop();
      resolve(job);
    };
    const timer = setTimeout(end, withinMs);
    const stop = live.onJob((job) => {
      if (job.id === id) end(job);
    });
  });
}
