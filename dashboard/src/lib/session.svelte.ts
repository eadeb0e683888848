/** Who is signed in, and what they may do. */
import { answered, daymark, DaymarkError, type Session } from "./api.ts";
import { connection } from "./connection.svelte.ts";
import { forgetAnswers, refreshShown, Resource } from "./resource.svelte.ts";

export const session = new Resource<Session>();

export function loadSession(): void {
  // The scopes of the user are requested again together with all other answers that are shown.
  session.attach();
  session.show("session", async () => {
    const answer = await askForSession();
    // The user may have signed in on another page.
    connection.refused = undefined;
    return answer;
  });
}

/** Whether the server refuses the session. After several failures of an address, its answers have the kind `too-many-failures`. */
function isOfSession(refusal: unknown): boolean {
  if (!(refusal instanceof DaymarkError)) return false;
  return refusal.kind === "unauthenticated" || (refusal.kind === "too-many-failures" && connection.refused !== undefined);
}

/** How many times this page has signed in, and the request that deletes the cookie of an ended session. */
let signIns = 0;
let deleting: Promise<unknown> | undefined;

async function askForSession(): Promise<Session> {
  const before = signIns;
  const ask = () => answered(daymark.GET("/api/v1/session", {}));
  try {
    return await ask();
  } catch (refusal) {
    if (!isOfSession(refusal)) throw refusal;
    // With public reading, a browser without a session may read. Scripts cannot delete the cookie of the ended session; the server can.
    // After a sign-in, the cookie is that of another session.
    if (before === signIns) await (deleting = answered(daymark.DELETE("/api/v1/session", {})));
    return ask().catch(() => Promise.reject(refusal));
  }
}

/** Whether the principal has the scope: `read`, `log`, `collect`, `define`, `correct`. The server refuses it otherwise, too. */
export function may(scope: string): boolean {
  return session.data?.scopes.includes(scope) ?? false;
}

/** How many points a series has at most (`query.max_points`); its default until the session is known. */
export function maxPoints(): number {
  return session.data?.max_points ?? 365;
}

/** @throws a `DaymarkError` that says why the server refuses the credential. */
export async function signIn(credential: string): Promise<void> {
  signIns++;
  // The answer that deletes the old cookie must not come after the one that sets the new one.
  await deleting?.catch(() => undefined);
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
