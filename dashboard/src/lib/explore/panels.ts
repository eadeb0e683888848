/** How series become charts: one for each unit, as a second axis misleads, and one for each breakdown, with a line a label. */
import type { Correction, Series } from "../api.ts";
import { addsUp, labelName, labelPattern, labelsOf, labelTotals } from "../breakdown.ts";
import { chartData, chartSeries, STYLES, type ChartData } from "../chart/model.ts";
import type { IsoDate } from "../dates.ts";
import { plural } from "../format.ts";

export interface Panel {
  key: string;
  title: string;
  data: ChartData;
  /** What is not drawn, and why. */
  left: string[];
}

/** The id of the labels that have no line of their own; no label of a platform begins like this. */
const REST = "\0rest";

/** The series of an earlier period. */
interface Earlier {
  name: string;
  series: Series[];
  /** The last day of the period. */
  to: IsoDate;
}

/** Totals and what happens in a day differ by orders of magnitude, though both are counts. */
function axisOf(series: Series): string {
  return `${series.unit} ${series.roll_up === "last" ? "total" : "flow"}`;
}

export function panels(
  all: Series[],
  to: IsoDate,
  earlier: Earlier | undefined,
  corrections: Correction[] = [],
): Panel[] {
  const groups = new Map<string, Series[]>();
  for (const series of all) {
    if (series.has_labels) groups.set(`breakdown ${series.metric_category}`, [series]);
    else groups.set(axisOf(series), [...(groups.get(axisOf(series)) ?? []), series]);
  }
  return [...groups].map(([key, group]) => {
    const title = group.map((series) => series.display_name).join(", ");
    const left = group.flatMap((series) => (series.refused ? [`${series.display_name}: ${series.refused}`] : []));
    const drawn = group.filter((series) => !series.refused);
    const isBreakdown = key.startsWith("breakdown");
    const data = isBreakdown ? labelChart(drawn, to, corrections) : chartData(drawn, to, corrections);
    if (isBreakdown) left.push(...leftOut(drawn, earlier !== undefined));
    if (earlier) addEarlier(data, earlier);
    return { key, title, data, left };
  });
}

function addEarlier(data: ChartData, { name, series, to: lastDay }: Earlier): void {
  for (const shown of data.series) {
    const before = series.find((candidate) => candidate.metric_category === shown.id && !candidate.refused);
    if (!before) continue;
    const points = data.buckets.map((_, index) => before.points[index]);
    const { notes } = chartSeries(before, lastDay, 0);
    shown.earlier = {
      name,
      values: points.map((point) => (point?.value ?? null) as number | null),
      notes: data.buckets.map((_, index) => notes[index]),
      from: points.map((point) => point?.from ?? ""),
    };
  }
}

/** What the chart of a breakdown does not show. */
function leftOut([series]: Series[], isCompared: boolean): string[] {
  if (!series) return [];
  const count = labelTotals(series).length - STYLES;
  const others = `${plural(count, "further label has", "further labels have")} no line: means and distinct values do not add up to one of all others.`;
  return [
    ...(count > 0 && !addsUp(series) ? [others] : []),
    ...(isCompared ? ["A breakdown is not compared with an earlier period."] : []),
  ];
}

/** The labels of a breakdown over time: the largest ones each, and the others together. */
function labelChart(group: Series[], to: IsoDate, corrections: Correction[]): ChartData {
  const [series] = group;
  const whole = chartData(group, to, corrections);
  const [one] = whole.series;
  if (!series || !one) return whole;
  const { corrected, ...shown } = one;
  const all = labelTotals(series);
  const totals = all.map(({ label }) => label);
  const pattern = labelPattern(series, all.map(({ value }) => value));
  // Of labels that add up, the last line is that of all others.
  const own = totals.length > STYLES ? totals.slice(0, addsUp(series) ? STYLES - 1 : STYLES) : totals;
  const counts = series.points.map((point) => (point.metadata ? labelsOf(series, point) : undefined));
  const made = own.map((label, style) => ({
    ...shown,
    id: label,
    name: labelName(label),
    unit: "",
    pattern,
    style,
    // A recorded day on which a label does not occur has none of it, which is zero; a mean of nothing is none.
    values: counts.map((labels) => (labels ? (labels.get(label) ?? (series.roll_up === "merge_averages" ? null : 0)) : null)),
  }));
  if (totals.length > own.length && addsUp(series)) {
    const sum = (labels: Map<string, number>) =>
      [...labels].reduce((sum, [label, value]) => (own.includes(label) ? sum : sum + value), 0);
    made.push({
      ...shown,
      id: REST,
      name: `${totals.length - own.length} others`,
      unit: "",
      pattern,
      style: STYLES - 1,
      values: counts.map((labels) => (labels ? sum(labels) : null)),
    });
  }
  // A correction is of the whole breakdown: the first label tells it, once.
  const [first, ...others] = made;
  if (!first || !corrected) return { ...whole, series: made };
  const ofAll = corrected.map((bucket) => bucket && { isOfAll: true as const, text: `${one.name} ${bucket.text}` });
  return { ...whole, series: [{ ...first, corrected: ofAll }, ...others] };
}
