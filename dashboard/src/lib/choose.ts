/**
 * Which metrics the overview shows: those that are marked as headlines, or, where none is, all active ones. What each of them is
 * shown as depends on how its values add up, so that it fits definitions of any kind.
 */
import type { Definition } from "./api.ts";

export interface Chosen {
  /** What exists at the end of a day: as tiles with their change. */
  totals: Definition[];
  /** What happens in a day: as charts of activity, one for each unit. */
  activity: Definition[][];
  /** Shares, in one chart. */
  shares: Definition[];
  /** Averages, formulas and others that a week or a month has as well: a chart each. */
  averages: Definition[];
  /** Distinct counts and quantiles, which only a day has: a chart each. */
  daily: Definition[];
  breakdowns: Definition[];
  /** How many headlines there is no room for. */
  left: number;
}

/** Names that the community preset and others like it use come first; the rest are in the order of their names. */
const FIRST = [
  /^users_/,
  /^posts_/,
  /^comments_/,
  /^active_users$/,
  /^engagement/,
];
/** How many are shown of each kind: of those that the page chooses, and of headlines, which were chosen by people. */
const CHOSEN = { totals: 8, flows: 2, units: 1, lines: 4, daily: 0, breakdowns: 2 };
const HEADLINES = { totals: 16, flows: 4, units: 4, lines: 8, daily: 8, breakdowns: 6 };

function rank({ metric_category: name }: Definition): number {
  const position = FIRST.findIndex((pattern) => pattern.test(name));
  return position < 0 ? FIRST.length : position;
}

export function choose(definitions: Definition[]): Chosen {
  const all = definitions.filter((definition) => definition.is_active);
  const headlines = all.filter((definition) => definition.headline);
  const [active, most] = headlines.length > 0 ? [headlines, HEADLINES] : [all, CHOSEN];
  const sorted = [...active].sort(
    (a, b) => rank(a) - rank(b) || a.metric_category.localeCompare(b.metric_category),
  );
  const of = (...rollUps: Definition["roll_up"][]) =>
    sorted.filter((definition) => !definition.has_labels && rollUps.includes(definition.roll_up));
  const flows = of("sum");
  // A chart has one axis, so metrics of one unit.
  const units = [...new Set(flows.map((definition) => definition.unit))];
  const chosen = {
    totals: of("last").slice(0, most.totals),
    activity: units.slice(0, most.units).map((unit) => flows.filter((definition) => definition.unit === unit).slice(0, most.flows)),
    shares: of("percentage").slice(0, most.lines),
    averages: of("average", "minimum", "maximum", "formula").slice(0, most.lines),
    daily: of("never").slice(0, most.daily),
    breakdowns: sorted.filter((definition) => definition.has_labels).slice(0, most.breakdowns),
  };
  const shown = Object.values(chosen).flat(2).length;
  return { ...chosen, left: headlines.length > 0 ? headlines.length - shown : 0 };
}
