/** The values that the declaration in a form would have had on the last days, asked for while it is written. */
import { answered, daymark, DaymarkError, type Preview } from "../api.ts";

/** How long nothing must be typed before the server is asked, in milliseconds. */
const PAUSE_MS = 700;

export class LivePreview {
  data = $state.raw<Preview>();
  /** What the server says is wrong, by member. */
  errors = $state.raw<{ parameter: string; detail: string }[]>([]);
  problem = $state("");
  isBusy = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turn = 0;

  /** Asks for the values of `body` unless something else is written before. */
  show(body: Record<string, unknown>): void {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    this.#timer = setTimeout(() => void this.#ask(body, turn), PAUSE_MS);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#turn++;
    this.isBusy = false;
    this.data = undefined;
    this.errors = [];
    this.problem = "";
  }

  async #ask(body: Record<string, unknown>, turn: number): Promise<void> {
    this.isBusy = true;
    try {
      const data = await answered(daymark.POST("/api/v1/previews", { body: body as never }));
      if (turn !== this.#turn) return;
      this.data = data;
      this.errors = [];
      this.problem = "";
    } catch (error) {
      if (turn !== this.#turn) return;
      this.data = undefined;
      const isKnown = error instanceof DaymarkError;
      this.errors = (isKnown ? error.problem.errors : undefined) ?? [];
      this.problem = this.errors.length > 0 ? "" : isKnown ? error.message : "The server cannot be reached.";
    } finally {
      if (turn === this.#turn) this.isBusy = false;
    }
  }
}
