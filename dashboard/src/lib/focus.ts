/** Keeps the keyboard focus near a control that was removed. */
import { tick } from "svelte";

/** Focuses the element of `find` if the focused control was removed. Otherwise the next Tab would begin at the top of the page. */
export async function focusIfLost(find: () => HTMLElement | null | undefined): Promise<void> {
  await tick();
  if (document.activeElement === document.body || document.activeElement === null) find()?.focus();
}
