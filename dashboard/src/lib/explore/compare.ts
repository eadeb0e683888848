/** The earlier period that a range is compared with. Days are aligned by weekday, months and longer ones by the calendar. */
import { addDays, daysBetween, type Interval, type IsoDate } from "../dates.ts";
import type { Comparison } from "./state.ts";

const MONTHS = { month: 1, quarter: 3, year: 12 } as const;

/** The last day of the month. */
function monthEnd(date: IsoDate): IsoDate {
  const [year = 0, month = 1] = date.split("-").map(Number);
  return new Date(Date.UTC(year, month, 0)).toISOString().slice(0, 10);
}

const isMonthEnd = (date: IsoDate) => monthEnd(date) === date;

/** The same day of another month, or its last one where it is shorter. */
function addMonths(date: IsoDate, months: number): IsoDate {
  const [year = 0, month = 1, day = 1] = date.split("-").map(Number);
  const last = monthEnd(new Date(Date.UTC(year, month - 1 + months, 1)).toISOString().slice(0, 10));
  return `${last.slice(0, 8)}${String(Math.min(day, Number(last.slice(8)))).padStart(2, "0")}`;
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
  const length = MONTHS[interval];
  const index = (date: IsoDate) => {
    const [year = 0, month = 1] = date.split("-").map(Number);
    return Math.floor((year * 12 + month - 1) / length);
  };
  const back = comparison === "year" ? 12 : (index(to) - index(from) + 1) * length;
  const earlierTo = addMonths(to, -back);
  // Whole months are compared with whole months, whatever their lengths.
  return { from: addMonths(from, -back), to: isMonthEnd(to) ? monthEnd(earlierTo) : earlierTo };
}

export const comparisonNames: Record<Comparison, string> = {
  none: "nothing",
  previous: "the period before",
  year: "a year before",
};
