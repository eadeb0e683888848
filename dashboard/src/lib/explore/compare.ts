/** The earlier period that a range is compared with. Days are aligned by weekday, months and longer ones by the calendar. */
import { addDays, addYears, daysBetween, type Interval, type IsoDate } from "../dates.ts";
import type { Comparison } from "./state.ts";

const MONTHS = { month: 1, quarter: 3, year: 12 } as const;

function addMonths(date: IsoDate, months: number): IsoDate {
  const [year = 0, month = 1, day = 1] = date.split("-").map(Number);
  const first = new Date(Date.UTC(year, month - 1 + months, 1));
  const last = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
  first.setUTCDate(Math.min(day, last));
  return first.toISOString().slice(0, 10);
}

/** The earlier range, whose buckets stand below those of the range one by one. */
export function earlierRange(
  from: IsoDate,
  to: IsoDate,
  interval: Interval,
  comparison: Exclude<Comparison, "none">,
): { from: IsoDate; to: IsoDate } {
  if (interval === "day" || interval === "week") {
    const days = daysBetween(from, to);
    // 52 weeks, or as many whole weeks as the range touches. Of less than a week, the days before it.
    const back = comparison === "year" ? 364 : days < 7 && interval === "day" ? days : Math.ceil(days / 7) * 7;
    return { from: addDays(from, -back), to: addDays(to, -back) };
  }
  if (comparison === "year") return { from: addYears(from, -1), to: addYears(to, -1) };
  const length = MONTHS[interval];
  const index = (date: IsoDate) => {
    const [year = 0, month = 1] = date.split("-").map(Number);
    return Math.floor((year * 12 + month - 1) / length);
  };
  const back = (index(to) - index(from) + 1) * length;
  return { from: addMonths(from, -back), to: addMonths(to, -back) };
}

export const comparisonNames: Record<Comparison, string> = {
  none: "nothing",
  previous: "the period before",
  year: "a year before",
};
