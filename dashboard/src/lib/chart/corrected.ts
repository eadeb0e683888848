/** What was corrected in the buckets of a series: where it is marked, and the sentence that says why, by whom, and what was recorded. */
import type { Correction, Series } from "../api.ts";
import { daysBetween, type IsoDate } from "../dates.ts";
import { formatValue, plural } from "../format.ts";

export interface CorrectedBucket {
  /** The value of the record, of a single day. */
  recorded?: number;
  /** Whether it is a correction of the whole of which the series is a part. */
  isOfAll?: true;
  text: string;
}

/** The largest number of reasons that are shown for one bucket. */
const MAX_REASONS = 3;

function basisOf({ basis, definition_version: version }: Correction): string {
  return basis === "reconstruction" ? `, counted again under version ${version} of the definition` : "";
}

/** `corrected from 40 by key:admin: removed posts were counted`. */
export function correctionSentence(correction: Correction, pattern: string, unit: string, locale?: string): string {
  const recorded = formatValue(correction.recorded_value as number, pattern, unit, locale);
  return correction.kind === "withdrawal"
    ? `withdrawn by ${correction.author}: ${correction.reason} (${recorded} was recorded)`
    : `corrected from ${recorded} by ${correction.author}${basisOf(correction)}: ${correction.reason}`;
}

/** What is corrected in each bucket, from what the points say and from the corrections in force, of which some may not be known. */
export function correctedBuckets(
  series: Series,
  ends: IsoDate[],
  corrections: Correction[],
  locale?: string,
): (CorrectedBucket | undefined)[] {
  const { format_pattern: pattern, unit } = series;
  const own = corrections.filter(
    (one) => one.metric_category === series.metric_category && one.metric_type === series.metric_type,
  );
  return series.points.map((point, index) => {
    const end = ends[index] ?? point.from;
    const known = own.filter((one) => one.metric_date >= point.from && one.metric_date <= end);
    const [only] = known;
    if (point.from === end) {
      const recorded = (point.recorded_value ?? only?.recorded_value) as number | undefined;
      if (recorded === undefined) return undefined;
      const text = only
        ? correctionSentence(only, pattern, unit, locale)
        : `corrected: ${formatValue(recorded, pattern, unit, locale)} was recorded`;
      return { recorded, text };
    }
    const count = correctedDays(series, point.from, end);
    if (count === 0) return undefined;
    const reasons = [...new Set(known.map((one) => one.reason))];
    const told = reasons.slice(0, MAX_REASONS).join("; ") + (reasons.length > MAX_REASONS ? "; …" : "");
    return { text: `${plural(count, "corrected day")}${told ? `: ${told}` : ""}` };
  });
}

/** How many of the days from `from` to `to` have a correction in force. */
function correctedDays({ recorded, gaps }: Series, from: IsoDate, to: IsoDate): number {
  const spans = [
    ...recorded.filter((run) => run.provenance === "corrected"),
    ...gaps.filter((gap) => gap.cause === "withdrawn"),
  ];
  return spans.reduce((sum, span) => {
    const [first, last] = [span.from > from ? span.from : from, span.to < to ? span.to : to];
    return sum + (first <= last ? daysBetween(first, last) : 0);
  }, 0);
}

/** Whether a day of the series has a correction in force. */
export function hasCorrections(series: Series): boolean {
  const [first, last] = [series.points[0], series.points.at(-1)];
  return first !== undefined && last !== undefined && correctedDays(series, "0000-01-01", "9999-12-31") > 0;
}
