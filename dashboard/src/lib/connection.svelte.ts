/** Whether the server answers, shared by everything that asks it. */

class Connection {
  /** When the server was found to be away; `undefined` while it answers. */
  lostSince = $state<number>();
  /** Why the server refuses what is asked, until the user has signed in. */
  refused = $state<string>();
  /** Why the newest request of a part of the page failed, so that an older answer is shown; empty if no part has an old answer. */
  staleReason = $state("");
  /** The time before which the server refuses requests, because they exceed the rate limit, in milliseconds since 1970. */
  busyUntil = 0;
  #stale = new Map<object, string>();

  answered(): void {
    this.lostSince = undefined;
  }

  lost(): void {
    this.lostSince ??= Date.now();
  }

  /** Notes why an older answer of a part of the page is shown; an empty reason removes the note. */
  note(part: object, reason: string): void {
    if (reason) this.#stale.set(part, reason);
    else if (!this.#stale.delete(part)) return;
    this.staleReason = this.#stale.values().next().value ?? "";
  }

  /** Notes that the server answers the next request after this number of seconds. */
  pause(seconds: number): void {
    if (seconds > 0) this.busyUntil = Date.now() + seconds * 1000;
  }
}

export const connection = new Connection();
