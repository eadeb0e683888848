/**
 * Which metrics the overview shows: those that are marked as headlines, or, where none is, all active ones. What each of them is
 * shown as depends on how its values add up, so that it fits definitions of any kind.
 */
import type { Definition } from "./api.ts";
import { isBreakdown } from "./breakdown.ts";

export interface Chosen {
  /** What exists at the end of a day: as tiles with their change. */
  totals: Definition[];
  /** What happens in a day: as the chart of activity. */
  activity: Definition[];
  /** Shares, by unit. */
  shares: Definition[];
  averages: Definition[];
  /** Distinct counts and others that do not add up. */
  others: Definition[];
  breakdowns: Definition[];
}

/** Names that the community preset and others like it use come first; the rest are in the order of their names. */
const FIRST = [
  /^users_/,
  /^posts_/,
  /^comments_/,
  /^active_users$/,
  /^engagement/,
];
const [MAX_TOTALS, MAX_ACTIVITY, MAX_LINES, MAX_BREAKDOWNS] = [8, 2, 4, 2];

function rank({ metric_category: name }: Definition): number {
  const position = FIRST.findIndex((pattern) => pattern.test(name));
  return position < 0 ? FIRST.length : position;
}

export function choose(definitions: Definition[]): Chosen {
  const all = definitions.filter((definition) => definition.is_active);
  const headlines = all.filter((definition) => definition.headline);
  const active = headlines.length > 0 ? headlines : all;
  const sorted = [...active].sort(
    (a, b) => rank(a) - rank(b) || a.metric_category.localeCompare(b.metric_category),
  );
  const of = (...rollUps: Definition["roll_up"][]) =>
    sorted.filter((definition) => !isBreakdown(definition) && rollUps.includes(definition.roll_up));
  const flows = of("sum");
  // One axis: only metrics of the same unit as the first.
  const activity = flows.filter((definition) => definition.unit === flows[0]?.unit).slice(0, MAX_ACTIVITY);
  return {
    totals: of("last").slice(0, MAX_TOTALS),
    activity,
    shares: of("percentage").slice(0, MAX_LINES),
    averages: of("average", "minimum", "maximum").slice(0, MAX_LINES),
    others: of("never").slice(0, MAX_LINES),
    breakdowns: sorted.filter(isBreakdown).slice(0, MAX_BREAKDOWNS),
  };
}
