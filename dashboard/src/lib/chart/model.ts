/** What a chart shows, apart from how it is drawn: buckets, values, reasons for missing ones, and sentences about them. */
import type { Annotation, Correction, Series } from "../api.ts";
import { bucketName, mediumDate, type Interval, type IsoDate } from "../dates.ts";
import { formatValue, plural } from "../format.ts";
import { anomalySentence } from "../judgement.ts";
import { correctedBuckets, type CorrectedBucket } from "./corrected.ts";

export type ChartKind = "line" | "area" | "bar" | "stacked";

/** How a value was judged by the history of its metric. */
export interface JudgedValue {
  /** The edges of the band in which the value was expected, where there was enough history. */
  band?: [number, number];
  /** Why the value is unusual. */
  anomaly?: string;
}

export interface ChartSeries {
  id: string;
  name: string;
  unit: string;
  pattern: string;
  /** Which of the colours, dashes and markers is its own. */
  style: number;
  values: (number | null)[];
  /** For each bucket: why it has no value, or what is to be known of the value it has. */
  notes: (string | undefined)[];
  /** For each bucket: how its days were recorded, as `observed`, or `observed and reconstructed`. */
  provenance: (string | undefined)[];
  /** For each bucket: how its value was judged, where that is known. */
  judged?: (JudgedValue | undefined)[];
  /** For each bucket: what is corrected, if anything is. */
  corrected?: (CorrectedBucket | undefined)[];
  /** The values of an earlier period, aligned with the buckets, with what is to be known of each. */
  earlier?: { name: string; values: (number | null)[]; notes: (string | undefined)[]; from: IsoDate[] };
}

/** An annotation: the buckets that it is about, and its text with its days. */
export interface ChartNote {
  from: number;
  to: number;
  text: string;
}

export interface ChartData {
  interval: Interval;
  buckets: IsoDate[];
  /** The last day of the last bucket. */
  to: IsoDate;
  /** The categories of the metrics, of which a breakdown shows the labels as series. */
  metrics: string[];
  series: ChartSeries[];
  notes?: ChartNote[];
  /** Where another version of a definition begins: the index of the bucket, and a sentence. */
  changes: { index: number; text: string }[];
  /** Only while the answer for a chart is awaited: the buckets whose values are not known yet, and the chart that was drawn before. */
  pending?: { isPending: boolean[]; before: ChartData };
}

/** The most unusual values of a series that its description names, the newest ones. */
const MAX_TOLD = 5;
/** How many series have a style of their own. */
export const STYLES = 8;

/** The last day of each bucket: the day before the next one begins, within the range. */
function bucketEnd(buckets: IsoDate[], index: number, last: IsoDate): IsoDate {
  const next = buckets[index + 1];
  return next === undefined ? last : next;
}

/** The series of an answer as a chart shows it, with `style` as its look. */
export function chartSeries(series: Series, to: IsoDate, style: number, corrections: Correction[] = []): ChartSeries {
  const buckets = series.points.map((point) => point.from);
  const ends = series.points.map((point, index) =>
    point.to ?? (series.interval === "day" ? point.from : bucketEnd(buckets, index, to)),
  );
  const notes = series.points.map((point, index) => {
    if (point.refused) return point.refused;
    if (point.no_data) return "no data: it is recorded that there was nothing to measure";
    const end = ends[index] ?? point.from;
    const gap = series.gaps.find((gap) => gap.from <= end && gap.to >= point.from);
    if (point.value === null) return series.refused ?? (gap?.explanation ?? "no record");
    if (point.days_recorded !== undefined && point.days_due !== undefined && point.days_recorded < point.days_due)
      return `${point.days_recorded} of ${point.days_due} days are recorded` + (gap ? ` (${gap.explanation})` : "");
    if (point.lower_bound) return "at least: some labels were not recorded by name";
    return undefined;
  });
  const provenance = series.points.map((point, index) => {
    if (point.value === null) return undefined;
    const runs = series.recorded.filter((run) => run.from <= (ends[index] ?? point.from) && run.to >= point.from);
    const all = [...new Set<string>(runs.map((run) => run.provenance))].sort();
    return [all.slice(0, -1).join(", "), all.at(-1)].filter(Boolean).join(" and ") || undefined;
  });
  const corrected = correctedBuckets(series, ends, corrections);
  return {
    id: series.metric_category,
    name: series.display_name,
    unit: series.unit,
    pattern: series.format_pattern,
    style: style % STYLES,
    values: series.points.map((point) => point.value as number | null),
    notes,
    provenance,
    ...(corrected.some(Boolean) ? { corrected } : {}),
    ...judgedValues(series),
  };
}

/** The judgements of a series, if it was asked for with them. */
function judgedValues({ points, format_pattern: pattern, unit }: Series): Pick<ChartSeries, "judged"> {
  if (!points.some(({ judgement }) => judgement)) return {};
  const isNeverNegative = points.every(({ value }) => value === null || (value as number) >= 0);
  const judged = points.map(({ judgement, value }): JudgedValue | undefined => {
    if (!judgement || value === null) return undefined;
    const anomaly = anomalySentence(judgement, value as number, pattern, unit);
    const [low, high] = [judgement.expected_low as number | null, judgement.expected_high as number | null];
    const band: [number, number] | undefined =
      low === null || high === null ? undefined : [isNeverNegative ? Math.max(0, low) : low, high];
    return { ...(band && { band }), ...(anomaly && { anomaly }) };
  });
  return { judged };
}

/** The bands that a chart draws: of its only series, for every value; of several, of the unusual values only. */
export function drawnBand(data: ChartData, series: ChartSeries, index: number): [number, number] | undefined {
  const judged = series.judged?.[index];
  return data.series.length === 1 || judged?.anomaly ? judged?.band : undefined;
}

/** A chart of several series over the same buckets. */
export function chartData(all: Series[], to: IsoDate, corrections?: Correction[]): ChartData {
  const first = all[0];
  const buckets = first?.points.map((point) => point.from) ?? [];
  const changes = all.flatMap((series) =>
    (series.version_changes ?? []).map((change) => ({
      index: lastIndexUntil(buckets, change.date),
      text: `${series.display_name}: version ${change.to_version} of the definition begins on ${mediumDate(change.date)}`,
    })),
  );
  return {
    interval: first?.interval ?? "day",
    buckets,
    to,
    metrics: all.map((series) => series.metric_category),
    series: all.map((series, index) => chartSeries(series, to, index, corrections)),
    changes: changes.filter((change) => change.index >= 0),
  };
}

/** The annotations of the chart's days that are about one of its metrics, or about all metrics. */
export function notesOf(data: ChartData, annotations: Annotation[], locale?: string): ChartNote[] {
  const [first] = data.buckets;
  if (first === undefined) return [];
  const isOwn = ({ from, to, metric_category: category }: Annotation) =>
    from <= data.to && to >= first && (category == null || data.metrics.includes(category));
  return annotations.filter(isOwn).map(({ from, to, text }) => ({
    from: Math.max(0, lastIndexUntil(data.buckets, from)),
    to: lastIndexUntil(data.buckets, to),
    text: `${from === to ? mediumDate(from, locale) : `${mediumDate(from, locale)} to ${mediumDate(to, locale)}`}: ${text}`,
  }));
}

/** The annotations of a bucket. */
export function notesAt(data: ChartData, index: number): string[] {
  return (data.notes ?? []).filter(({ from, to }) => from <= index && index <= to).map(({ text }) => text);
}

function lastIndexUntil(buckets: IsoDate[], date: IsoDate): number {
  let found = -1;
  buckets.forEach((from, index) => {
    if (from <= date) found = index;
  });
  return found;
}

/** Runs of consecutive buckets for which no series has a value. */
export function emptyRuns(data: ChartData): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = [];
  data.buckets.forEach((_, index) => {
    if (data.series.length === 0 || data.pending?.isPending[index] || data.series.some((series) => series.values[index] != null)) return;
    const last = runs.at(-1);
    if (last && last.to === index - 1) last.to = index;
    else runs.push({ from: index, to: index });
  });
  return runs;
}

/**
 * The values that the vertical axis must hold. Bars and areas begin at zero, as their length is what is compared. While an answer is on
 * its way, the axis stays as it was.
 */
export function valueDomain(data: ChartData, kind: ChartKind): [number, number] {
  if (data.pending) return valueDomain(data.pending.before, kind);
  const values: number[] = [];
  if (kind === "stacked") {
    data.buckets.forEach((_, index) => {
      let [up, down] = [0, 0];
      for (const series of data.series) {
        const value = series.values[index] ?? 0;
        if (value > 0) up += value;
        else down += value;
      }
      values.push(up, down);
    });
  } else {
    for (const series of data.series)
      for (const list of [series.values, series.earlier?.values ?? []])
        for (const value of list) if (value != null) values.push(value);
    for (const series of data.series) {
      data.buckets.forEach((_, index) => values.push(...(drawnBand(data, series, index) ?? [])));
      for (const bucket of series.corrected ?? []) if (bucket?.recorded !== undefined) values.push(bucket.recorded);
    }
  }
  if (values.length === 0) return [0, 1];
  let [low, high] = [Math.min(...values), Math.max(...values)];
  // A line that varies by less than half of its height shows its shape; the axis says that it does not begin at zero.
  const fromZero = kind !== "line" || low <= 0 || high <= 0 || low < high / 2;
  if (fromZero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (low === high) [low, high] = low === 0 ? [0, 1] : [Math.min(0, low), Math.max(0, high)];
  return [low, high];
}

/** What is to be known of a value, or of there being none, apart from its unusualness: `reconstructed`, or what was corrected. */
export function remarks(series: ChartSeries, index: number): string[] {
  const corrected = series.corrected?.[index]?.text;
  const provenance = series.provenance[index];
  // The sentence of a correction says that it is one.
  const isTold = provenance === undefined || provenance === "observed" || (provenance === "corrected" && corrected !== undefined);
  return [isTold ? undefined : provenance, series.notes[index], corrected].filter((remark) => remark !== undefined);
}

/** What a series has in a bucket, in words: `40`, `no value (failed: …)`, `38, reconstructed`. */
export function valueText(series: ChartSeries, index: number, locale?: string): string {
  const value = series.values[index];
  const told = remarks(series, index);
  if (value == null) return `no value${told.length > 0 ? ` (${told.join("; ")})` : ""}`;
  const anomaly = series.judged?.[index]?.anomaly;
  return [formatValue(value, series.pattern, series.unit, locale), ...told, ...(anomaly ? [anomaly] : [])].join(", ");
}

/** The sentence that is spoken of a bucket. */
export function bucketSentence(data: ChartData, index: number, locale?: string): string {
  const from = data.buckets[index];
  if (from === undefined) return "";
  const parts = data.series.map((series) => {
    const earlier = series.earlier?.values[index];
    const before =
      series.earlier && earlier != null
        ? `; ${series.earlier.name} ${[formatValue(earlier, series.pattern, series.unit, locale), series.earlier.notes[index]].filter(Boolean).join(", ")}`
        : "";
    return `${series.name} ${valueText(series, index, locale)}${before}`;
  });
  const changes = data.changes.filter((change) => change.index === index).map((change) => change.text);
  const notes = notesAt(data, index).map((text) => `annotation of ${text}`);
  return `${bucketName(from, data.interval, locale)}: ${[...parts, ...changes, ...notes].join("; ")}.`;
}

/** A description of the whole chart, for screen readers. */
export function describe(data: ChartData, kind: ChartKind, locale?: string): string {
  const [first, last] = [data.buckets[0], data.buckets.at(-1)];
  if (first === undefined || last === undefined) return "An empty chart.";
  const kinds = { line: "Line chart", area: "Area chart", bar: "Bar chart", stacked: "Stacked chart" };
  const name = (from: IsoDate) => bucketName(from, data.interval, locale);
  const sentences = data.series.slice(0, STYLES).map((series) => {
    let [low, high, newest, missing] = [-1, -1, -1, 0];
    series.values.forEach((value, index) => {
      if (data.pending?.isPending[index]) return;
      if (value == null) return void missing++;
      newest = index;
      if (low < 0 || value < (series.values[low] ?? Infinity)) low = index;
      if (high < 0 || value > (series.values[high] ?? -Infinity)) high = index;
    });
    if (newest < 0) return `${series.name} has no value.`;
    const at = (index: number) =>
      `${formatValue(series.values[index], series.pattern, series.unit, locale)} (${name(data.buckets[index] ?? "")})`;
    const unusual = data.buckets.flatMap((_, index) => (series.judged?.[index]?.anomaly ? [index] : []));
    const anomalies = unusual.length > 0 ? ` Unusual: ${unusual.slice(-MAX_TOLD).map(at).join(", ")}.` : "";
    const without = missing ? ` ${plural(missing, data.interval)} without a value.` : "";
    return `${series.name}: lowest ${at(low)}, highest ${at(high)}, newest ${at(newest)}.${without}${anomalies}`;
  });
  const more = data.series.length - sentences.length;
  const notes = (data.notes ?? []).map(({ text }) => ` Annotation of ${text}.`).join("");
  if (more > 0) sentences.push(`And ${plural(more, "more series", "more series")}.`);
  return `${kinds[kind]} by ${data.interval}, ${name(first)} to ${name(last)}. ${sentences.join(" ")}${notes}`;
}
