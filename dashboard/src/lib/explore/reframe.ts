/** Draws another range from the buckets of the present chart that are in it, until the answer for the range comes. */
import { addDays, daysBetween, type Interval, type IsoDate } from "../dates.ts";
import type { ChartData, ChartSeries } from "../chart/model.ts";

/** The most buckets that are drawn before an answer. */
const MOST = 1000;
const MONTHS = { month: 1, quarter: 3, year: 12 } as const;

/** The first day of the bucket of a day. Weeks begin on the weekday of `week`, the first day of one of them. */
function startOf(date: IsoDate, interval: Interval, week: IsoDate): IsoDate {
  if (interval === "day") return date;
  if (interval === "week") return addDays(date, -((((daysBetween(week, date) - 1) % 7) + 7) % 7));
  const month = Number(date.slice(5, 7)) - 1;
  return `${date.slice(0, 5)}${String(month - (month % MONTHS[interval]) + 1).padStart(2, "0")}-01`;
}

function next(start: IsoDate, interval: Interval): IsoDate {
  if (interval === "day" || interval === "week") return addDays(start, interval === "day" ? 1 : 7);
  const [year = 0, month = 1] = start.split("-").map(Number);
  return new Date(Date.UTC(year, month - 1 + MONTHS[interval], 1)).toISOString().slice(0, 10);
}

/** The chart of another range. Buckets without known values are pending. `undefined` if no chart was drawn or there are over `MOST` buckets. */
export function reframed(data: ChartData, from: IsoDate, to: IsoDate): ChartData | undefined {
  const { interval, buckets } = data;
  // The range may begin within the first bucket's week; the second bucket begins on the first day of its week.
  const week = buckets[1] ?? buckets[0];
  if (week === undefined || data.series.length === 0) return undefined;
  const known = new Map(buckets.map((bucket, index) => [startOf(bucket, interval, week), index]));
  const starts: IsoDate[] = [];
  for (let start = startOf(from, interval, week); start <= to; start = next(start, interval))
    if (starts.push(start) > MOST) return undefined;
  const places = starts.map((start) => known.get(start));
  const moved = <T>(all: readonly T[], none: T): T[] => places.map((place) => (place === undefined ? none : (all[place] as T)));
  const series = data.series.map((one): ChartSeries => {
    const { judged, corrected } = one;
    const made: ChartSeries = {
      ...one,
      values: moved(one.values, null),
      notes: moved(one.notes, "the answer is on its way"),
      provenance: moved(one.provenance, undefined),
      ...(judged && { judged: moved(judged, undefined) }),
      ...(corrected && { corrected: moved(corrected, undefined) }),
    };
    // The values of the earlier period belong to the days before the range that was drawn, and not to those before this one.
    delete made.earlier;
    return made;
  });
  const changes = data.changes.flatMap(({ index, text }) => {
    const at = places.indexOf(index);
    return at < 0 ? [] : [{ index: at, text }];
  });
  const isPending = places.map((place) => place === undefined);
  return { interval, buckets: starts, to, metrics: data.metrics, series, changes, pending: { isPending, before: data } };
}
