/** Whether the server answers, shared by everything that asks it. */

class Connection {
  /** When the server was found to be away; `undefined` while it answers. */
  lostSince = $state<number>();
  /** Why the server refuses what is asked, until the user has signed in. */
  refused = $state<string>();

  answered(): void {
    this.lostSince = undefined;
  }

  lost(): void {
    this.lostSince ??= Date.now();
  }
}

export const connection = new Connection();
