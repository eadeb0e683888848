/** Who is signed in, and what they may do. */
import { answered, daymark, type Session } from "./api.ts";
import { connection } from "./connection.svelte.ts";
import { forgetAnswers, refreshShown, Resource } from "./resource.svelte.ts";

export const session = new Resource<Session>();

export function loadSession(): void {
  // What one may do is looked at again with everything else that is shown.
  session.attach();
  session.show("session", () => answered(daymark.GET("/api/v1/session", {})));
}

/** Whether the principal has the scope: `read`, `log`, `collect`, `define`, `correct`. The server refuses it otherwise, too. */
export function may(scope: string): boolean {
  return session.data?.scopes.includes(scope) ?? false;
}

/** @throws a `DaymarkError` that says why the server refuses the credential. */
export async function signIn(credential: string): Promise<void> {
  await answered(daymark.POST("/api/v1/session", { body: { credential } }));
  forgetAnswers();
  connection.refused = undefined;
  await refreshShown();
}

/** Ends the sessions of this user on every device. */
export async function signOutEverywhere(): Promise<void> {
  await answered(daymark.DELETE("/api/v1/sessions", {}));
  location.assign("/");
}

export async function signOut(): Promise<void> {
  await answered(daymark.DELETE("/api/v1/session", {}));
  // A new page has nothing in memory of what was shown.
  location.assign("/");
}
