/** Who is signed in, and what they may do. */
import { answered, daymark, type Session } from "./api.ts";
import { Resource } from "./resource.svelte.ts";

export const session = new Resource<Session>();

export function loadSession(): void {
  session.show("session", () => answered(daymark.GET("/api/v1/session", {})));
}

/** Whether the principal has the scope: `read`, `log`, `collect`, `define`. The server refuses it otherwise, too. */
export function may(scope: string): boolean {
  return session.data?.scopes.includes(scope) ?? false;
}
