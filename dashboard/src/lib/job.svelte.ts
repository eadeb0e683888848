/** A run that was started from here, followed until it ends. */
import { answered, daymark, type Job } from "./api.ts";
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
  async start(ask: () => Promise<Job>): Promise<void> {
    this.error = undefined;
    try {
      this.job = await ask();
      let pause = FIRST_PAUSE_MS;
      while (this.#isWatched && this.isRunning) {
        const wait = pause;
        await new Promise((resolve) => setTimeout(resolve, wait));
        pause = Math.min(LAST_PAUSE_MS, pause * 1.5);
        const id: string = this.job.id;
        this.job = await answered(daymark.GET("/api/v1/jobs/{id}", { params: { path: { id } } }));
      }
    } catch (cause) {
      this.error = cause instanceof Error ? cause : new Error(String(cause));
    }
    await refreshShown();
  }

  /** Stops looking; the run goes on. */
  leave(): void {
    this.#isWatched = false;
  }
}
