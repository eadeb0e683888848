/** Numbers as people read them: by the metric's format pattern and in the reader's locale. */

/** A pattern is of digits: `0,0` groups thousands, and the zeros after a point are its decimal places. */
export function decimalPlaces(pattern: string): number {
  const places = pattern.split(".")[1] ?? "";
  return Math.min(20, (places.match(/0/g) ?? []).length);
}

const formats = new Map<string, Intl.NumberFormat>();

function numberFormat(key: string, options: Intl.NumberFormatOptions, locale?: string): Intl.NumberFormat {
  const name = `${key} ${locale ?? ""}`;
  let format = formats.get(name);
  if (!format) formats.set(name, (format = new Intl.NumberFormat(locale, options)));
  return format;
}

/** The value by the pattern: `12,418`, `81.5`. */
export function formatNumber(value: number, pattern: string, locale?: string): string {
  const places = decimalPlaces(pattern);
  return numberFormat(
    pattern,
    { minimumFractionDigits: places, maximumFractionDigits: places, useGrouping: pattern.includes(",") },
    locale,
  ).format(value);
}

/** The unit after a value; empty where the number says it all. */
export function unitSuffix(unit: string): string {
  if (unit === "percentage" || unit === "percent") return "%";
  if (unit === "count" || unit === "average" || unit === "labels" || unit === "") return "";
  if (unit === "seconds") return "s";
  return unit;
}

/** The value with its unit: `12,418`, `81.5 %`, `261.3 s`. */
export function formatValue(value: number | null | undefined, pattern: string, unit: string, locale?: string): string {
  if (value == null) return "–";
  const suffix = unitSuffix(unit);
  return formatNumber(value, pattern, locale) + (suffix ? `\u202f${suffix}` : "");
}

/** A difference with its sign: `+39`, `−5,495`, `±0`. */
export function formatDifference(value: number, pattern: string, locale?: string): string {
  const shown = formatNumber(Math.abs(value), pattern, locale);
  if (!/[1-9]/.test(shown)) return `±${shown}`;
  return (value > 0 ? "+" : "−") + shown;
}

/** Relative change in percent: `+3.0 %`. */
export function formatPercent(percent: number, locale?: string): string {
  const pattern = Math.abs(percent) >= 100 ? "0,0" : "0.0";
  return `${formatDifference(percent, pattern, locale)}\u202f%`;
}

/** A number for an axis: `12k`, `1.5M`. */
export function formatTick(value: number, locale?: string): string {
  const options = { notation: "compact", maximumFractionDigits: 2 } as const;
  return numberFormat("compact", options, locale).format(value);
}

/** `1 day`, `3 days`. */
export function plural(count: number, one: string, many = `${one}s`, locale?: string): string {
  return `${formatNumber(count, "0,0", locale)} ${count === 1 ? one : many}`;
}
