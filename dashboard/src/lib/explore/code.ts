/** What is shown, as a command or a piece of a program that asks for the same. */
import type { Interval, IsoDate } from "../dates.ts";

export interface Question {
  origin: string;
  metrics: string[];
  from: IsoDate;
  to: IsoDate;
  interval: Interval;
  values?: "recorded";
  /** A day, or an instant. */
  as_of?: string;
  /** The instant of `as_of`, which is the end of a day. */
  instant?: string;
}

type Asked = Omit<Question, "origin" | "instant">;

/** The query string that the series and their exports take. */
export function apiQuery({ metrics, from, to, interval, values, as_of }: Asked): string {
  const view = { ...(values && { values }), ...(as_of && { as_of }) };
  return new URLSearchParams({ category: metrics.join(","), from, to, interval, ...view }).toString();
}

export function exportLink(format: string, question: Asked): string {
  return `/api/v1/export?format=${format}&${apiQuery(question)}`;
}

/** A word of a POSIX shell. */
function shell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

export function curl(question: Question): string {
  return `curl --header "Authorization: Bearer $DAYMARK_KEY" \\\n  ${shell(`${question.origin}/api/v1/metrics?${apiQuery(question)}`)}`;
}

export function supabase({ origin, metrics, from, to, values, instant }: Question): string {
  const rows = instant ? `.rpc("daily_metrics_as_of", { as_of: ${JSON.stringify(instant)} })` : `.from("daily_metrics")`;
  const value = values === "recorded" ? "value:recorded_value" : "value";
  return `import { createClient } from "@supabase/supabase-js";

const daymark = createClient(${JSON.stringify(origin)}, process.env.DAYMARK_KEY);
const { data, error } = await daymark
  ${rows}
  .select("metric_date, metric_category, ${value}, provenance")
  .in("metric_category", ${JSON.stringify(metrics)})
  .gte("metric_date", ${JSON.stringify(from)})
  .lte("metric_date", ${JSON.stringify(to)})
  .order("metric_date");`;
}

/** A literal of SQL. */
function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A statement that reads Daymark's tables. Values in force are those of the records with the corrections that are not taken back. */
export function sql({ metrics, from, to, values, instant }: Question): string {
  // A SQLite file keeps instants as texts with six decimal places, which are compared as texts.
  const until = instant && literal(new Date(instant).toISOString().replace("Z", "000Z"));
  const known = (table: string) => (until ? `\n   AND ${table}.created_at <= ${until}` : "");
  const wanted = `recorded.metric_category IN (${metrics.map(literal).join(", ")})
   AND recorded.metric_date BETWEEN ${literal(from)} AND ${literal(to)}${known("recorded")}`;
  const order = "ORDER BY recorded.metric_date, recorded.metric_category";
  if (values === "recorded")
    return `-- In a SQLite file, the table has no schema: daily_metrics.
SELECT recorded.metric_date, recorded.metric_category, recorded.value, recorded.provenance
  FROM daymark.daily_metrics AS recorded
 WHERE ${wanted}
 ${order};`;
  const ofSameDay = (table: string, other: string) =>
    ["tenant_id", "metric_type", "metric_category", "metric_date"].map((name) => `${table}.${name} = ${other}.${name}`).join(" AND ");
  return `-- In a SQLite file, the tables have no schema: daily_metrics, metric_revisions.
WITH standing AS (
  SELECT kept.*
    FROM daymark.metric_revisions AS kept
   WHERE kept.kind <> 'reversal'${known("kept")}
   AND NOT EXISTS (
     SELECT 1 FROM daymark.metric_revisions AS back
      WHERE ${ofSameDay("back", "kept")}
        AND back.takes_back = kept.revision${known("back")}))
SELECT recorded.metric_date, recorded.metric_category,
       CASE WHEN revised.kind IS NULL THEN recorded.value ELSE revised.value END AS value, recorded.provenance
  FROM daymark.daily_metrics AS recorded
  LEFT JOIN standing AS revised
    ON ${ofSameDay("revised", "recorded")}
   AND NOT EXISTS (
     SELECT 1 FROM standing AS newer
      WHERE ${ofSameDay("newer", "revised")} AND newer.revision > revised.revision)
 WHERE ${wanted}
   AND (revised.kind IS NULL OR revised.kind = 'value')
 ${order};`;
}
