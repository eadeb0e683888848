/** What the page Explore shows, all of which stands in its address. */
import { isDate, type Interval } from "../dates.ts";
import { parseRange, writeRange, type Range } from "../range.ts";

export const INTERVALS: Interval[] = ["day", "week", "month", "quarter", "year"];
export const VIEWS = ["line", "area", "bar", "stacked", "table"] as const;
export const COMPARISONS = ["none", "previous", "year"] as const;
/** The values in force, or those of the records, without any correction. */
export const VALUES = ["in_force", "recorded"] as const;
export const FALLBACK_DAYS = 90;
/** The most metrics at once. */
export const MAX_METRICS = 20;

export type View = (typeof VIEWS)[number];
export type Comparison = (typeof COMPARISONS)[number];
export type Values = (typeof VALUES)[number];

export interface ExploreState {
  /** Categories; none means that the page chooses. */
  metrics: string[];
  range: Range;
  interval: Interval;
  view: View;
  comparison: Comparison;
  values: Values;
  /** The day, or the instant, of which what was known then is shown; empty: now. */
  asOf: string;
}

const INSTANT = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/;

function oneOf<T extends string>(text: string | null, choices: readonly T[]): T {
  return choices.find((choice) => choice === text) ?? (choices[0] as T);
}

/** Reads the state; what is missing or unknown has its default. */
export function parseState(parameters: URLSearchParams): ExploreState {
  const names = (parameters.get("metrics") ?? "").split(",").map((name) => name.trim());
  const asOf = parameters.get("as_of") ?? "";
  return {
    metrics: [...new Set(names)].filter(Boolean).slice(0, MAX_METRICS),
    range: parseRange(parameters, FALLBACK_DAYS),
    interval: oneOf(parameters.get("by"), INTERVALS),
    view: oneOf(parameters.get("as"), VIEWS),
    comparison: oneOf(parameters.get("against"), COMPARISONS),
    values: oneOf(parameters.get("values"), VALUES),
    asOf: isDate(asOf) || INSTANT.test(asOf) ? asOf : "",
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
  if (state.values !== "in_force") parameters.set("values", state.values);
  if (state.asOf) parameters.set("as_of", state.asOf);
  // A comma and a colon need no escaping in a query string, and read better without.
  return parameters.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}
