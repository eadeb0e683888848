/** A run that was started from here, followed until it ends. */
import { answered, daymark, type Job } from "./api.ts";
import { refreshShown } from "./resource.svelte.ts";

/** The time between two looks at a job, in milliseconds. */
const PAUSE_MS = 700;

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
      while (this.#isWatched && this.isRunning) {
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
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
