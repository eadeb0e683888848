/** How series become charts: one for each unit, as a second axis misleads, and one for each breakdown, with a line a label. */
import type { Series } from "../api.ts";
import { isBreakdown, labelsOf, labelTotals } from "../breakdown.ts";
import { chartData, STYLES, type ChartData } from "../chart/model.ts";
import type { IsoDate } from "../dates.ts";

export interface Panel {
  key: string;
  title: string;
  data: ChartData;
  /** Why there is nothing to draw. */
  refused: string[];
}

/** Totals and what happens in a day differ by orders of magnitude, though both are counts. */
function axisOf(series: Series): string {
  return `${series.unit} ${series.roll_up === "last" ? "total" : "flow"}`;
}

export function panels(all: Series[], to: IsoDate, earlier: { name: string; series: Series[] } | undefined): Panel[] {
  const groups = new Map<string, Series[]>();
  for (const series of all) {
    if (isBreakdown(series)) groups.set(`breakdown ${series.metric_category}`, [series]);
    else groups.set(axisOf(series), [...(groups.get(axisOf(series)) ?? []), series]);
  }
  return [...groups].map(([key, group]) => {
    const title = group.map((series) => series.display_name).join(", ");
    const refused = group.flatMap((series) => (series.refused ? [`${series.display_name}: ${series.refused}`] : []));
    const drawn = group.filter((series) => !series.refused);
    const data = key.startsWith("breakdown") ? labelChart(drawn, to) : chartData(drawn, to);
    if (earlier) addEarlier(data, earlier);
    return { key, title, data, refused };
  });
}

function addEarlier(data: ChartData, { name, series }: { name: string; series: Series[] }): void {
  for (const shown of data.series) {
    const before = series.find((candidate) => candidate.metric_category === shown.id && !candidate.refused);
    if (!before) continue;
    const points = data.buckets.map((_, index) => before.points[index]);
    shown.earlier = {
      name,
      values: points.map((point) => (point?.value ?? null) as number | null),
      from: points.map((point) => point?.from ?? ""),
    };
  }
}

/** The labels of a breakdown over time: the largest ones each, and the others together. */
function labelChart(group: Series[], to: IsoDate): ChartData {
  const [series] = group;
  const whole = chartData(group, to);
  const [shown] = whole.series;
  if (!series || !shown) return whole;
  const totals = labelTotals(series).map(({ label }) => label);
  const own = totals.length > STYLES ? totals.slice(0, STYLES - 1) : totals;
  const counts = series.points.map((point) => (point.metadata ? labelsOf(point) : undefined));
  const made = own.map((label, style) => ({
    ...shown,
    id: label,
    name: label,
    unit: "",
    style,
    // A recorded day on which a label does not occur has none of it, which is zero.
    values: counts.map((labels) => (labels ? (labels.get(label) ?? 0) : null)),
  }));
  if (totals.length > own.length) {
    const sum = (labels: Map<string, number>) =>
      [...labels].reduce((sum, [label, value]) => (own.includes(label) ? sum : sum + value), 0);
    made.push({
      ...shown,
      id: "all others",
      name: `${totals.length - own.length} others`,
      unit: "",
      style: STYLES - 1,
      values: counts.map((labels) => (labels ? sum(labels) : null)),
    });
  }
  return { ...whole, series: made };
}
