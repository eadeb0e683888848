/**
 * Calendar dates as `YYYY-MM-DD`, without a time zone: the server's reporting zone decided already which day a value is of.
 */
export type IsoDate = string;

const DAY_MS = 86_400_000;

function millis(date: IsoDate): number {
  return Date.parse(`${date}T00:00:00Z`);
}

function iso(ms: number): IsoDate {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Whether the text is a date that exists. */
export function isDate(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(millis(text)) && iso(millis(text)) === text;
}

export function addDays(date: IsoDate, days: number): IsoDate {
  return iso(millis(date) + days * DAY_MS);
}

/** The number of days from `from` to `to`, both included. */
export function daysBetween(from: IsoDate, to: IsoDate): number {
  return Math.round((millis(to) - millis(from)) / DAY_MS) + 1;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatter(name: string, options: Intl.DateTimeFormatOptions, locale?: string): Intl.DateTimeFormat {
  const key = `${name} ${locale ?? ""}`;
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.DateTimeFormat(locale, options)));
  return format;
}

/** `Sat, 28 Nov 2026`, in the order of the reader's locale. */
export function longDate(date: IsoDate, locale?: string): string {
  const options = { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" } as const;
  return formatter("long", options, locale).format(millis(date));
}

/** `28 Nov 2026`. */
export function mediumDate(date: IsoDate, locale?: string): string {
  const options = { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" } as const;
  return formatter("medium", options, locale).format(millis(date));
}

/** `28 Nov`. */
export function shortDate(date: IsoDate, locale?: string): string {
  return formatter("short", { day: "numeric", month: "short", timeZone: "UTC" }, locale).format(millis(date));
}

/** `Nov`, or `2026` in January. */
export function monthLabel(date: IsoDate, locale?: string): string {
  if (date.slice(5, 7) === "01") return date.slice(0, 4);
  return formatter("month", { month: "short", timeZone: "UTC" }, locale).format(millis(date));
}

/** An instant in the reporting zone: `29 Nov 2026, 00:15`. */
export function instant(time: string, zone: string, locale?: string): string {
  const options = { dateStyle: "medium", timeStyle: "short", timeZone: zone } as const;
  try {
    return formatter(`instant ${zone}`, options, locale).format(Date.parse(time));
  } catch {
    // A zone that this browser does not know.
    return time;
  }
}

/** The day that it is in the zone, or in UTC where this browser does not know the zone. */
export function todayIn(zone: string, now = new Date()): IsoDate {
  try {
    // The locale whose order of a date is that of ISO 8601.
    return new Intl.DateTimeFormat("sv-SE", { timeZone: zone }).format(now);
  } catch {
    return now.toISOString().slice(0, 10);
  }
}

/** What the clocks of the zone show at an instant: a date, and a time such as `00:15:00`. UTC, where this browser does not know the zone. */
function wallClock(ms: number, zone: string): { date: IsoDate; time: string } {
  try {
    const [date = "", time = ""] = formatter(`wall ${zone}`, { timeZone: zone, dateStyle: "short", timeStyle: "medium" }, "sv-SE")
      .format(ms)
      .split(" ");
    return { date, time };
  } catch {
    return { date: iso(ms), time: new Date(ms).toISOString().slice(11, 19) };
  }
}

/** The date and the time, such as `00:15`, that the clocks of the zone show at an instant. */
export function clockAt(time: string, zone: string): { date: IsoDate; time: string } {
  const shown = wallClock(Date.parse(time), zone);
  return { date: shown.date, time: shown.time.slice(0, 5) };
}

/** The instant at which the clocks of the zone show a time of a day, as in `2026-03-01T23:00:00.000Z`. */
export function instantOf(date: IsoDate, time: string, zone: string): string {
  const wanted = Date.parse(`${date}T${time}Z`);
  const ahead = (ms: number) => {
    const { date, time } = wallClock(ms, zone);
    return Date.parse(`${date}T${time}Z`) - ms;
  };
  // The second step gives the right instant where the clocks of the zone change between `wanted` and that instant.
  const near = wanted - ahead(wanted);
  return new Date(wanted - ahead(near)).toISOString();
}

/** The instant at which the day ends in the zone. */
export function endOfDay(date: IsoDate, zone: string): string {
  return instantOf(addDays(date, 1), "00:00", zone);
}

/** `00:15`: an instant of today in the reporting zone. */
export function clock(ms: number, zone: string, locale?: string): string {
  try {
    return formatter(`clock ${zone}`, { timeStyle: "short", timeZone: zone }, locale).format(ms);
  } catch {
    return new Date(ms).toISOString().slice(11, 16);
  }
}

/** `1.2 s`, `3 min`, `2 h`: how long something took. */
export function duration(fromTime: string, toTime: string, locale?: string): string {
  const seconds = Math.max(0, (Date.parse(toTime) - Date.parse(fromTime)) / 1000);
  const [value, unit] =
    seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"] : [seconds / 3600, "hour"];
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit: unit as string,
    unitDisplay: "short",
    maximumFractionDigits: (value as number) < 10 ? 1 : 0,
  }).format(value as number);
}

export type Interval = "day" | "week" | "month" | "quarter" | "year";

/** The name of a bucket: `Sat, 28 Nov 2026`, `week of 23 Nov 2026`, `November 2026`, `Q4 2026`, `2026`. */
export function bucketName(from: IsoDate, interval: Interval, locale?: string): string {
  switch (interval) {
    case "day":
      return longDate(from, locale);
    case "week":
      return `week of ${mediumDate(from, locale)}`;
    case "month": {
      const options = { month: "long", year: "numeric", timeZone: "UTC" } as const;
      return formatter("monthYear", options, locale).format(millis(from));
    }
    case "quarter":
      return `Q${Math.ceil(Number(from.slice(5, 7)) / 3)} ${from.slice(0, 4)}`;
    case "year":
      return from.slice(0, 4);
  }
}

/** The length of an interval in days, about. */
export const intervalDays: Record<Interval, number> = { day: 1, week: 7, month: 30.4, quarter: 91.3, year: 365.25 };
