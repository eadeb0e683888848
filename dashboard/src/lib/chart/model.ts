/** What a chart shows, apart from how it is drawn: buckets, values, reasons for missing ones, and sentences about them. */
import type { Annotation, Series } from "../api.ts";
import { bucketName, mediumDate, monthLabel, shortDate, type Interval, type IsoDate } from "../dates.ts";
import { formatValue, plural } from "../format.ts";
import { anomalySentence } from "../judgement.ts";

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
  /** For each bucket: whether its value was recorded on time (observed), later, or both. */
  provenance: (string | undefined)[];
  /** For each bucket: how its value was judged, where that is known. */
  judged?: (JudgedValue | undefined)[];
  /** The values of an earlier period, aligned with the buckets. */
  earlier?: { name: string; values: (number | null)[]; from: IsoDate[] };
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
}

/** The most unusual values of a series that its description names, the newest ones. */
const MAX_TOLD = 5;
/** How many series have a style of their own. */
export const STYLES = 8;

/** The width of the bars of a bucket, which has `step` pixels. */
export function barRoom(step: number): number {
  return step * (step > 6 ? 0.8 : 1);
}

/** The last day of each bucket: the day before the next one begins, within the range. */
function bucketEnd(buckets: IsoDate[], index: number, last: IsoDate): IsoDate {
  const next = buckets[index + 1];
  return next === undefined ? last : next;
}

/** The series of an answer as a chart shows it, with `style` as its look. */
export function chartSeries(series: Series, to: IsoDate, style: number): ChartSeries {
  const buckets = series.points.map((point) => point.from);
  const notes = series.points.map((point, index) => {
    if (point.refused) return point.refused;
    if (point.no_data) return "no data: it is recorded that there was nothing to measure";
    const end = point.to ?? (series.interval === "day" ? point.from : bucketEnd(buckets, index, to));
    const gap = series.gaps.find((gap) => gap.from <= end && gap.to >= point.from);
    if (point.value === null) return series.refused ?? (gap?.explanation ?? "no record");
    if (point.days_recorded !== undefined && point.days_due !== undefined && point.days_recorded < point.days_due)
      return `${point.days_recorded} of ${point.days_due} days are recorded` + (gap ? ` (${gap.explanation})` : "");
    if (point.lower_bound) return "at least: some labels were not recorded by name";
    return undefined;
  });
  const provenance = series.points.map((point) => {
    if (point.value === null) return undefined;
    if (point.provenance) return point.provenance;
    return series.recorded.find((run) => run.from <= point.from && run.to >= point.from)?.provenance;
  });
  return {
    id: series.metric_category,
    name: series.display_name,
    unit: series.unit,
    pattern: series.format_pattern,
    style: style % STYLES,
    values: series.points.map((point) => point.value as number | null),
    notes,
    provenance,
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
export function chartData(all: Series[], to: IsoDate): ChartData {
  const first = all[0];
  const buckets = first?.points.map((point) => point.from) ?? [];
  const changes = all.flatMap((series) =>
    (series.version_changes ?? []).map((change) => ({
      index: lastIndexUntil(buckets, change.date),
      text: `${series.display_name}: version ${change.to_version} of the definition begins on ${change.date}`,
    })),
  );
  return {
    interval: first?.interval ?? "day",
    buckets,
    to,
    metrics: all.map((series) => series.metric_category),
    series: all.map((series, index) => chartSeries(series, to, index)),
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
    if (data.series.length === 0 || data.series.some((series) => series.values[index] != null)) return;
    const last = runs.at(-1);
    if (last && last.to === index - 1) last.to = index;
    else runs.push({ from: index, to: index });
  });
  return runs;
}

/** The values that the vertical axis must hold. Bars and areas begin at zero, as their length is what is compared. */
export function valueDomain(data: ChartData, kind: ChartKind): [number, number] {
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
    for (const series of data.series) data.buckets.forEach((_, index) => values.push(...(drawnBand(data, series, index) ?? [])));
  }
  if (values.length === 0) return [0, 1];
  let [low, high] = [Math.min(...values), Math.max(...values)];
  // A line that varies by less than half of its height shows its shape; the axis says that it does not begin at zero.
  const fromZero = kind !== "line" || low <= 0 || high <= 0 || low < high / 2;
  if (fromZero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (low === high) [low, high] = low === 0 ? [0, 1] : [Math.min(0, low), Math.max(0, high)];
  return [low, high];
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
  const starts = (isStart: (date: IsoDate) => boolean) =>
    buckets.map((date, index) => ({ date, index })).filter(({ date }) => isStart(date));
  let chosen: { date: IsoDate; index: number }[] = [];
  let label = (date: IsoDate) => shortDate(date, locale);
  if (interval === "day" || interval === "week") {
    const months = starts((date) => (interval === "day" ? date.endsWith("-01") : Number(date.slice(8)) <= 7));
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

/** What a series has in a bucket, in words: `40`, `no value (failed: …)`, `38, reconstructed`. */
export function valueText(series: ChartSeries, index: number, locale?: string): string {
  const value = series.values[index];
  const note = series.notes[index];
  if (value == null) return `no value${note ? ` (${note})` : ""}`;
  const provenance = series.provenance[index];
  return [
    formatValue(value, series.pattern, series.unit, locale),
    provenance && provenance !== "observed" ? provenance : undefined,
    note,
    series.judged?.[index]?.anomaly,
  ]
    .filter(Boolean)
    .join(", ");
}

/** The sentence that is spoken of a bucket. */
export function bucketSentence(data: ChartData, index: number, locale?: string): string {
  const from = data.buckets[index];
  if (from === undefined) return "";
  const parts = data.series.map((series) => {
    const earlier = series.earlier?.values[index];
    const before =
      series.earlier && earlier != null
        ? `; ${series.earlier.name} ${formatValue(earlier, series.pattern, series.unit, locale)}`
        : "";
    return `${series.name} ${valueText(series, index, locale)}${before}`;
  });
  const changes = data.changes.filter((change) => change.index === index).map((change) => change.text);
  const notes = notesAt(data, index).map((text) => `annotation of ${text}`);
  return `${bucketName(from, data.interval, locale)}: ${[...parts, ...changes, ...notes].join("; ")}.`;
}

/** A description of the whole chart, for those who do not see it. */
export function describe(data: ChartData, kind: ChartKind, locale?: string): string {
  const [first, last] = [data.buckets[0], data.buckets.at(-1)];
  if (first === undefined || last === undefined) return "An empty chart.";
  const kinds = { line: "Line chart", area: "Area chart", bar: "Bar chart", stacked: "Stacked chart" };
  const name = (from: IsoDate) => bucketName(from, data.interval, locale);
  const sentences = data.series.slice(0, STYLES).map((series) => {
    let [low, high, newest, missing] = [-1, -1, -1, 0];
    series.values.forEach((value, index) => {
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
