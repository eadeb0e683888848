import { MediaQuery } from "svelte/reactivity";

/** Whether the window is as narrow as a phone: what is secondary is folded there. */
export const narrow = new MediaQuery("max-width: 40rem");
