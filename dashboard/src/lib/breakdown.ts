/** The labels of a breakdown, from the metadata of its points. */
import type { Point, Series } from "./api.ts";

/** The label of what was not recorded by name, and of rows without a label. */
export const OTHER = "other labels";
export const UNLABELLED = "without a label";

type Numbers = Record<string, unknown>;

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** What each label counts at a point. */
export function labelsOf(point: Point): Map<string, number> {
  const labels = new Map<string, number>();
  const metadata = (point.metadata ?? {}) as Numbers;
  for (const [label, value] of Object.entries((metadata.breakdown ?? {}) as Numbers)) {
    labels.set(label, numberOf(value));
  }
  const other = numberOf(((metadata.other ?? {}) as Numbers).value);
  if (other) labels.set(OTHER, other);
  const unlabelled = numberOf(metadata.unlabelled);
  if (unlabelled) labels.set(UNLABELLED, unlabelled);
  return labels;
}

/** Whether a metric has labels: a sum of a column is of the type `aggregate`, too, and has none. */
export function isBreakdown({ metric_type, roll_up }: Pick<Series, "metric_type" | "roll_up">): boolean {
  return metric_type === "aggregate" && roll_up !== "sum";
}

export interface LabelTotal {
  label: string;
  value: number;
}

/** The labels of the whole range, the largest first: sums of what happens in a day, the newest state of what exists and of what does not add up. */
export function labelTotals(series: Series): LabelTotal[] {
  const totals = new Map<string, number>();
  const withLabels = series.points.filter((point) => point.metadata);
  const points = ["last", "never", "merge_averages"].includes(series.roll_up) ? withLabels.slice(-1) : withLabels;
  for (const point of points)
    for (const [label, value] of labelsOf(point)) totals.set(label, (totals.get(label) ?? 0) + value);
  const isRest = (label: string) => label === OTHER || label === UNLABELLED;
  return [...totals]
    .map(([label, value]) => ({ label, value }))
    .sort(
      (a, b) =>
        Number(isRest(a.label)) - Number(isRest(b.label)) || b.value - a.value || a.label.localeCompare(b.label),
    );
}
