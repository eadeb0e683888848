/** What is shown, as a command or a piece of a program that asks for the same. */
import type { Interval, IsoDate } from "../dates.ts";

export interface Question {
  origin: string;
  metrics: string[];
  from: IsoDate;
  to: IsoDate;
  interval: Interval;
}

/** The query string that the series and their exports take. */
export function apiQuery({ metrics, from, to, interval }: Omit<Question, "origin">): string {
  return new URLSearchParams({ category: metrics.join(","), from, to, interval }).toString();
}

export function exportLink(format: string, question: Omit<Question, "origin">): string {
  return `/api/v1/export?format=${format}&${apiQuery(question)}`;
}

/** A word of a POSIX shell. */
function shell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

export function curl(question: Question): string {
  return `curl --header "Authorization: Bearer $DAYMARK_KEY" \\\n  ${shell(`${question.origin}/api/v1/metrics?${apiQuery(question)}`)}`;
}

export function supabase({ origin, metrics, from, to }: Question): string {
  return `import { createClient } from "@supabase/supabase-js";

const daymark = createClient(${JSON.stringify(origin)}, process.env.DAYMARK_KEY);
const { data, error } = await daymark
  .from("daily_metrics")
  .select("metric_date, metric_category, value, provenance")
  .in("metric_category", ${JSON.stringify(metrics)})
  .gte("metric_date", ${JSON.stringify(from)})
  .lte("metric_date", ${JSON.stringify(to)})
  .order("metric_date");`;
}

/** A literal of SQL. */
function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function sql({ metrics, from, to }: Question): string {
  return `SELECT metric_date, metric_category, value, provenance
  FROM daymark.daily_metrics  -- in a SQLite file: daily_metrics
 WHERE metric_category IN (${metrics.map(literal).join(", ")})
   AND metric_date BETWEEN ${literal(from)} AND ${literal(to)}
 ORDER BY metric_date, metric_category;`;
}
