/** What the page Explore shows, all of which stands in its address. */
import type { Interval } from "../dates.ts";
import { parseRange, writeRange, type Range } from "../range.ts";

export const INTERVALS: Interval[] = ["day", "week", "month", "quarter", "year"];
export const VIEWS = ["line", "area", "bar", "stacked", "table"] as const;
export const COMPARISONS = ["none", "previous", "year"] as const;
export const FALLBACK_DAYS = 90;
/** The most metrics at once. */
export const MAX_METRICS = 20;

export type View = (typeof VIEWS)[number];
export type Comparison = (typeof COMPARISONS)[number];

export interface ExploreState {
  /** Categories; none means that the page chooses. */
  metrics: string[];
  range: Range;
  interval: Interval;
  view: View;
  comparison: Comparison;
}

function oneOf<T extends string>(text: string | null, choices: readonly T[]): T {
  return choices.find((choice) => choice === text) ?? (choices[0] as T);
}

/** Reads the state; what is missing or unknown has its default. */
export function parseState(parameters: URLSearchParams): ExploreState {
  const names = (parameters.get("metrics") ?? "").split(",").map((name) => name.trim());
  return {
    metrics: [...new Set(names)].filter(Boolean).slice(0, MAX_METRICS),
    range: parseRange(parameters, FALLBACK_DAYS),
    interval: oneOf(parameters.get("by"), INTERVALS),
    view: oneOf(parameters.get("as"), VIEWS),
    comparison: oneOf(parameters.get("against"), COMPARISONS),
  };
}

/** The state as a query string, without what is default: the same state has the same text. */
export function stateQuery(state: ExploreState): string {
  const parameters = new URLSearchParams();
  if (state.metrics.length > 0) parameters.set("metrics", state.metrics.join(","));
  writeRange(parameters, state.range, FALLBACK_DAYS);
  if (state.interval !== "day") parameters.set("by", state.interval);
  if (state.view !== "line") parameters.set("as", state.view);
  if (state.comparison !== "none") parameters.set("against", state.comparison);
  // A comma needs no escaping in a query string, and reads better without.
  return parameters.toString().replaceAll("%2C", ",");
}
