// Whether a server's memory stays flat while 200 clients ask all the time.

import { load } from "./load.js";
import { residentKib } from "./processes.js";

const CONNECTIONS = 200;
const EVERY_MS = 500;
/** After this share of the time everything that is made once is made. */
const SETTLED = 1 / 6;

/** Resident memory in MiB: before, when settled, at the end, and the most. */
export async function memory(side, seconds) {
  const resident = () => residentKib(side.server) / 1024;
  const before = resident();
  const samples = [];
  const sampling = setInterval(() => samples.push(resident()), EVERY_MS);
  try {
    await load(side, { seconds, connections: CONNECTIONS });
  } finally {
    clearInterval(sampling);
  }
  const settled = samples[Math.floor(samples.length * SETTLED)];
  return { name: side.name, seconds, before, settled, after: resident(), most: Math.max(...samples) };
}
