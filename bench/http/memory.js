// Whether a server's memory stays flat while 200 clients ask all the time.

import { load } from "./load.js";
import { median } from "./median.js";
import { residentKib } from "./processes.js";

const CONNECTIONS = 200;
const EVERY_MS = 500;
/** After this share of the time everything that is made once is made. */
const SETTLED = 1 / 6;

/**
 * Resident memory in MiB: before, when settled, at the end, and the most. It goes up and down by some MiB, as what was
 * freed is given back every few seconds: settled and at the end are medians, each of a sixth of the time.
 */
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
  const sixth = Math.ceil(samples.length * SETTLED);
  const [settled, after] = [samples.slice(sixth, 2 * sixth), samples.slice(-sixth)].map(median);
  return { name: side.name, seconds, before, settled, after, most: Math.max(...samples) };
}
