/** The days of a calendar and the gaps of the record, from the series of all metrics. */
import type { Gap, Series } from "../api.ts";
import { addDays, daysBetween, type IsoDate } from "../dates.ts";
import { plural } from "../format.ts";

/** How a day stands. What is not due, or was before there was anything, is `none`. */
export type DayState = "recorded" | "reconstructed" | "partial" | "failed" | "missing" | "running" | "none";

export interface CalendarDay {
  date: IsoDate;
  state: DayState;
  /** What is to be known of it, in words. */
  text: string;
}

/** Causes that need nothing to be done: the metric was not defined, or the day is not over. */
const EXCUSED = new Set(["defined_later", "not_reconstructible", "before_first_row", "not_yet_due"]);

interface Tally {
  observed: number;
  later: number;
  corrected: number;
  withdrawn: number;
  failed: number;
  missing: number;
  running: number;
}

const recorded = { observed: "observed", reconstructed: "later", corrected: "corrected" } as const;
const unrecorded: Record<string, keyof Tally> = {
  failed: "failed",
  timed_out: "failed",
  unreadable_record: "failed",
  running: "running",
  withdrawn: "withdrawn",
};

/** Each day from `from` to `to`, from how the series are recorded on it. */
export function calendar(series: Series[], from: IsoDate, to: IsoDate): CalendarDay[] {
  const tallies: Tally[] = Array.from({ length: daysBetween(from, to) }, () => ({
    observed: 0,
    later: 0,
    corrected: 0,
    withdrawn: 0,
    failed: 0,
    missing: 0,
    running: 0,
  }));
  const add = (span: { from: IsoDate; to: IsoDate }, what: keyof Tally) => {
    const first = Math.max(0, daysBetween(from, span.from) - 1);
    const last = Math.min(tallies.length - 1, daysBetween(from, span.to) - 1);
    for (let index = first; index <= last; index++) {
      const tally = tallies[index];
      if (tally) tally[what]++;
    }
  };
  for (const one of series) {
    for (const run of one.recorded) add(run, recorded[run.provenance]);
    for (const gap of one.gaps) {
      if (EXCUSED.has(gap.cause)) continue;
      add(gap, unrecorded[gap.cause] ?? "missing");
    }
  }
  return tallies.map((tally, index) => ({
    date: addDays(from, index),
    state: stateOf(tally),
    text: textOf(tally),
  }));
}

function stateOf({ observed, later, corrected, withdrawn, failed, missing, running }: Tally): DayState {
  // A withdrawn day has a record, too.
  const [present, lacking] = [observed + later + corrected + withdrawn, failed + missing];
  if (running > 0) return "running";
  if (present > 0 && lacking > 0) return "partial";
  if (present > 0) return later > 0 ? "reconstructed" : "recorded";
  if (failed > 0) return "failed";
  return missing > 0 ? "missing" : "none";
}

function textOf(tally: Tally): string {
  const parts = [
    tally.observed && `${plural(tally.observed, "metric")} recorded`,
    tally.later && `${plural(tally.later, "metric")} recorded later`,
    tally.corrected && `${plural(tally.corrected, "metric")} corrected`,
    tally.withdrawn && `${plural(tally.withdrawn, "metric")} withdrawn`,
    tally.failed && `${plural(tally.failed, "metric")} failed`,
    tally.missing && `${plural(tally.missing, "metric")} missing`,
    tally.running && "a run is in progress",
  ].filter(Boolean);
  return parts.join(", ") || "nothing is due";
}

/** The same gap of one or more metrics. */
export interface SharedGap {
  from: IsoDate;
  to: IsoDate;
  days: number;
  cause: string;
  explanation: string;
  metrics: string[];
  names: string[];
  canFill: boolean;
}

/** Gaps after the platform's first day, newest first, those of the same days and cause as one. */
export function sharedGaps(series: Series[], firstDay: IsoDate): SharedGap[] {
  const found = new Map<string, SharedGap>();
  for (const one of series)
    for (const gap of one.gaps) {
      if (gap.cause === "not_yet_due" || gap.to < firstDay) continue;
      const key = `${gap.from} ${gap.to} ${gap.cause} ${gap.fill !== null}`;
      const known = found.get(key) ?? gapOf(gap);
      known.metrics.push(one.metric_category);
      known.names.push(one.display_name);
      found.set(key, known);
    }
  return [...found.values()].sort((a, b) => b.to.localeCompare(a.to) || b.days - a.days);
}

function gapOf(gap: Gap): SharedGap {
  const { from, to, days, cause, explanation } = gap;
  return { from, to, days, cause, explanation, metrics: [], names: [], canFill: gap.fill != null };
}
