/** The labels of a breakdown, from the metadata of its points. */
import { decimalPlaces } from "./format.ts";

/** What was not recorded by name, and rows without a label. No label of a platform begins like this. */
export const OTHER = "\0other";
export const UNLABELLED = "\0unlabelled";

/** The parts of a series, recorded or of a preview, that are needed to read its labels. */
export interface Labelled {
  roll_up: string;
  format_pattern: string;
  points: readonly { from: string; metadata?: unknown }[];
}

/** A label as people read it. */
export function labelName(label: string): string {
  if (label === OTHER) return "other labels";
  return label === UNLABELLED ? "without a label" : label;
}

/** Whether the labels add up to a whole: rows and sums do, means and distinct values do not. */
export function addsUp({ roll_up: rollUp }: Pick<Labelled, "roll_up">): boolean {
  return rollUp === "merge" || rollUp === "last";
}

type Numbers = Record<string, unknown>;

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** What each label counts at a point of the series. */
export function labelsOf(series: Pick<Labelled, "roll_up">, point: Labelled["points"][number]): Map<string, number> {
  const labels = new Map<string, number>();
  const metadata = (point.metadata ?? {}) as Numbers;
  for (const [label, value] of Object.entries((metadata.breakdown ?? {}) as Numbers)) {
    labels.set(label, numberOf(value));
  }
  const other = numberOf(((metadata.other ?? {}) as Numbers).value);
  if (other) labels.set(OTHER, other);
  const unlabelled = numberOf(metadata.unlabelled);
  // Of means and distinct values, the rows without a label are counted, which is no number of the same kind.
  if (unlabelled && addsUp(series)) labels.set(UNLABELLED, unlabelled);
  return labels;
}

export interface LabelTotal {
  label: string;
  value: number;
}

/** Which points the totals are of: every one of what happens in a day, the newest one of what exists and of what does not add up. */
function countedPoints(series: Labelled): Labelled["points"] {
  const withLabels = series.points.filter((point) => point.metadata);
  return series.roll_up === "merge" ? withLabels : withLabels.slice(-1);
}

/** The first day of the bucket that the totals are of; `undefined` where they are of the whole range. */
export function totalsOf(series: Labelled): string | undefined {
  return series.roll_up === "merge" ? undefined : countedPoints(series)[0]?.from;
}

/**
 * The pattern for the numbers of labels. The pattern and the unit of a breakdown are those of its value, the number of labels, so that
 * a pattern without decimal places says nothing of sums and means.
 */
export function labelPattern({ format_pattern: pattern }: Pick<Labelled, "format_pattern">, numbers: number[]): string {
  return decimalPlaces(pattern) > 0 || numbers.every(Number.isInteger) ? pattern : "0,0.00";
}

/** The labels of the whole range, the largest first: sums of what happens in a day, the newest state of everything else. */
export function labelTotals(series: Labelled): LabelTotal[] {
  const totals = new Map<string, number>();
  for (const point of countedPoints(series))
    for (const [label, value] of labelsOf(series, point)) totals.set(label, (totals.get(label) ?? 0) + value);
  const isRest = (label: string) => label === OTHER || label === UNLABELLED;
  return [...totals]
    .map(([label, value]) => ({ label, value }))
    .sort(
      (a, b) =>
        Number(isRest(a.label)) - Number(isRest(b.label)) || b.value - a.value || a.label.localeCompare(b.label),
    );
}
