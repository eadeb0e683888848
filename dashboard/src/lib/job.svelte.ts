/** A run that was started from here, followed until it ends. */
import { answered, daymark, DaymarkError, type Job } from "./api.ts";
import { isRunning, live } from "./live.svelte.ts";
import { refreshShown } from "./resource.svelte.ts";

/** The time between two looks at a job, in milliseconds: soon at first, later rarely enough for the limit of requests a minute. */
const [FIRST_PAUSE_MS, LAST_PAUSE_MS] = [400, 3000];

/** Statuses that another request would get again: the job is unknown, or the user may not see it. */
const FINAL = [401, 403, 404];

const errorOf = (cause: unknown) => (cause instanceof Error ? cause : new Error(String(cause)));

export class RunningJob {
  job = $state.raw<Job>();
  /** Why the run did not start, or cannot be followed. */
  error = $state.raw<Error>();
  /** Why the newest request of the run failed; another one follows. */
  trouble = $state.raw<Error>();
  #isWatched = true;

  get isRunning(): boolean {
    return this.job !== undefined && isRunning(this.job);
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
    this.error = this.trouble = undefined;
    try {
      this.job = await ask();
      let pause = FIRST_PAUSE_MS;
      while (this.#isWatched && this.isRunning) {
        const id: string = this.job.id;
        const told = await news(id, pause);
        pause = Math.min(LAST_PAUSE_MS, pause * 1.5);
        this.job = told ?? (await this.#lookUnlessAway(id)) ?? this.job;
      }
    } catch (cause) {
      this.job = undefined;
      this.error = errorOf(cause);
    }
    await refreshShown();
  }

  /** The job; `undefined` if the request failed for a reason other than the job, such as an unreachable server. */
  async #lookUnlessAway(id: string): Promise<Job | undefined> {
    try {
      const job = await this.#look(id);
      this.trouble = undefined;
      return job;
    } catch (cause) {
      if (cause instanceof DaymarkError && FINAL.includes(cause.problem.status)) throw cause;
      this.trouble = errorOf(cause);
      return undefined;
    }
  }

  #look(id: string): Promise<Job> {
    return answered(daymark.GET("/api/v1/jobs/{id}", { params: { path: { id } } }));
  }

  /** Stops polling; the run continues. */
  leave(): void {
    this.#isWatched = false;
  }
}

/** The state of the job, if the server answers within the time. */
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
