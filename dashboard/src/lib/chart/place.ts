/** Where on the horizontal axis things stand: the labels of buckets, and the values of several series in one bucket. */
import { bucketName, monthLabel, shortDate, type Interval, type IsoDate } from "../dates.ts";
import type { ChartKind } from "./model.ts";

/** The width of the bars of a bucket, which has `step` pixels. */
export function barRoom(step: number): number {
  return step * (step > 6 ? 0.8 : 1);
}

/** Where the value of a series stands in a bucket: at its own bar, or in the middle, which is at `middle`. */
export function placeInBucket(kind: ChartKind, middle: number, step: number, position: number, of: number): number {
  if (kind !== "bar") return middle;
  const room = barRoom(step);
  return middle - room / 2 + ((position + 0.5) * room) / of;
}

/** The buckets that get a label on the horizontal axis, at least `minGap` of the `width` pixels apart. */
export function dateTicks(
  buckets: IsoDate[],
  interval: Interval,
  width: number,
  minGap = 64,
  locale?: string,
): { index: number; label: string }[] {
  const count = buckets.length;
  if (count === 0) return [];
  const most = Math.max(2, Math.floor(width / minGap));
  const starts = (isStart: (date: IsoDate, index: number) => boolean) =>
    buckets.map((date, index) => ({ date, index })).filter(({ date, index }) => isStart(date, index));
  let chosen: { date: IsoDate; index: number }[] = [];
  let label = (date: IsoDate) => shortDate(date, locale);
  if (interval === "day" || interval === "week") {
    // The first week may be cut by the range, so that the second one begins in the first seven days of the same month.
    const isNewMonth = (date: IsoDate, index: number) => Number(date.slice(8)) <= 7 && date.slice(0, 7) !== buckets[index - 1]?.slice(0, 7);
    const months = starts((date, index) => (interval === "day" ? date.endsWith("-01") : isNewMonth(date, index)));
    if (count <= most) chosen = starts(() => true);
    else if (interval === "day" && count <= 62) chosen = starts((date) => new Date(date).getUTCDay() === 1);
    else [chosen, label] = [months, (date) => monthLabel(`${date.slice(0, 8)}01`, locale)];
  } else {
    chosen = starts(() => true);
    label = (date) => (interval === "month" ? monthLabel(date, locale) : bucketName(date, interval, locale));
  }
  const step = Math.ceil(chosen.length / most);
  const anchor = chosen.findIndex(({ date }) => date.slice(5, 7) === "01");
  return chosen
    .filter((_, index) => (index - Math.max(0, anchor)) % step === 0)
    .map(({ date, index }) => ({ index, label: label(date) }));
}
