/** A range of days as it stands in the address of a page: a number of days up to the last finished one, or two dates. */
import { addDays, daysBetween, isDate, type Interval, type IsoDate, intervalDays } from "./dates.ts";

export const RANGE_DAYS = [7, 30, 90, 365] as const;

export type Range = { days: number } | { from: IsoDate; to: IsoDate };

/** Reads `days=90`, or `from=…&to=…`; what cannot be read is `fallback`. */
export function parseRange(parameters: URLSearchParams, fallback: number): Range {
  const [from, to] = [parameters.get("from") ?? "", parameters.get("to") ?? ""];
  if (isDate(from) && isDate(to) && from <= to) return { from, to };
  const days = Number(parameters.get("days"));
  return { days: (RANGE_DAYS as readonly number[]).includes(days) ? days : fallback };
}

/** Writes the range into the parameters; the fallback is left out. */
export function writeRange(parameters: URLSearchParams, range: Range, fallback: number): void {
  for (const name of ["days", "from", "to"]) parameters.delete(name);
  if ("days" in range) {
    if (range.days !== fallback) parameters.set("days", String(range.days));
  } else {
    parameters.set("from", range.from);
    parameters.set("to", range.to);
  }
}

/** The first and the last day, where `lastFinished` is the last one that is over. */
export function rangeDates(range: Range, lastFinished: IsoDate): { from: IsoDate; to: IsoDate } {
  if ("days" in range) return { from: addDays(lastFinished, 1 - range.days), to: lastFinished };
  return range;
}

/** The range moved by its own length, and no further than the last finished day. */
export function shifted(range: { from: IsoDate; to: IsoDate }, steps: 1 | -1, lastFinished: IsoDate): Range {
  const length = daysBetween(range.from, range.to);
  const wanted = addDays(range.to, steps * length);
  const to = wanted > lastFinished ? lastFinished : wanted;
  return { from: addDays(to, 1 - length), to };
}

/** The range with twice its length around its middle, and no further than the last finished day. */
export function widened(range: { from: IsoDate; to: IsoDate }, lastFinished: IsoDate): Range {
  const length = daysBetween(range.from, range.to);
  const wanted = addDays(range.to, Math.ceil(length / 2));
  const to = wanted > lastFinished ? lastFinished : wanted;
  return { from: addDays(to, 1 - 2 * length), to };
}

/** The range with half its length around its middle, which is no shorter than a day. */
export function narrowed(range: { from: IsoDate; to: IsoDate }): Range {
  const length = daysBetween(range.from, range.to);
  const kept = Math.max(1, Math.floor(length / 2));
  const from = addDays(range.from, Math.floor((length - kept) / 2));
  return { from, to: addDays(from, kept - 1) };
}

const INTERVALS: Interval[] = ["day", "week", "month", "quarter", "year"];

/** Whether a range has at most `most` buckets of the interval, as many as the server answers with. */
export function intervalFits(interval: Interval, from: IsoDate, to: IsoDate, most: number): boolean {
  const days = daysBetween(from, to);
  // Buckets that the range cuts at either end count, too.
  return interval === "day" ? days <= most : days / intervalDays[interval] + 2 <= most;
}

/** The interval, or the next longer one that fits. */
export function fittingInterval(interval: Interval, from: IsoDate, to: IsoDate, most: number): Interval {
  return INTERVALS.slice(INTERVALS.indexOf(interval)).find((longer) => intervalFits(longer, from, to, most)) ?? "year";
}
