// Measures whether the memory of a server stays flat while 200 connections send requests all the time.

import { load } from "./load.js";
import { median } from "./median.js";
import { residentKib } from "./processes.js";

const CONNECTIONS = 200;
const EVERY_MS = 500;
/** After this share of the time, caches and pools are filled. */
const SETTLED = 1 / 6;

/**
 * Returns resident memory in MiB: before, when settled, at the end, and the maximum. It varies by some MiB, because the
 * allocator returns freed memory every few seconds, so `settled` and `after` are medians over a sixth of the time each.
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
