/** The client of this server's API, and what its answers are called here. */
import {
  answered,
  createDaymark,
  DaymarkError,
  everySeries,
  type components,
  type LatestResponse,
  type Series,
  type SeriesQuery,
} from "@daymark/client";
import { connection } from "./connection.svelte.ts";
import { isSameMetric, oneOfEach } from "./identity.ts";

export { answered, DaymarkError };
export type { LatestResponse, Series };

type Schemas = components["schemas"];
export type Session = Schemas["SessionResponse"];
export type Latest = Schemas["LatestValue"];
export type Change = Schemas["Change"];
export type Point = Schemas["Point"];
export type Gap = Schemas["SeriesGap"];
export type Status = Schemas["StatusResponse"];
export type Definition = Schemas["DefinitionEntry"];
export type DefinitionAnswer = Schemas["DefinitionAnswer"];
export type RunEntry = Schemas["RunEntry"];
export type Schedule = Schemas["ScheduleResponse"];
export type Health = Schemas["HealthResponse"];
export type Drift = Schemas["DriftAnswer"];
export type Job = Schemas["JobAnswer"];
export type Annotation = Schemas["AnnotationEntry"];
export type AnnotationContent = Schemas["AnnotationRequest"];
export type Alerts = Schemas["AlertsResponse"];
export type AlertState = Schemas["AlertEntry"];
export type Silence = Schemas["SilenceEntry"];
export type Deliveries = Schemas["DeliveriesResponse"];
export type Key = Schemas["KeyEntry"];
export type Sources = Schemas["SourcesAnswer"];
export type Preview = Schemas["PreviewAnswer"];
export type Version = Schemas["VersionAnswer"];
export type AnomaliesAnswer = Schemas["AnomaliesResponse"];
export type Judgement = Schemas["ValueJudgement"];
export type SqlAnswer = Schemas["SqlAnswer"];
export type Correction = Schemas["CorrectionEntry"];
export type CorrectRequest = Schemas["CorrectRequest"];
export type CorrectedAnswer = Schemas["CorrectedAnswer"];
export type Redaction = Schemas["RedactionEntry"];
export type Recounts = Schemas["RecountsResponse"];

/** Sends a request, and notes the pause (`Retry-After`) of an answer that says that the rate limit is exceeded. */
async function ask(request: Request): Promise<Response> {
  const response = await fetch(request);
  if (response.status === 429) connection.pause(Number(response.headers.get("retry-after")));
  return response;
}

export const daymark = createDaymark({ url: typeof location === "undefined" ? "" : location.origin, fetch: ask });

/** Series with the range that they are of: the server cuts it at the last finished day. */
export interface SeriesSet {
  from: string;
  to: string;
  zone: string;
  series: Series[];
}

/** Every series of a query, page after page, one for each name. */
export async function seriesOf(query: SeriesQuery & { from: string; to: string }): Promise<SeriesSet> {
  const first = await answered(daymark.GET("/api/v1/metrics", { params: { query } }));
  const series = [...first.series];
  if (first.next_cursor != null) {
    for await (const next of everySeries(daymark, { ...query, cursor: first.next_cursor })) {
      const last = series.at(-1);
      const goesOn = next.part && last !== undefined && isSameMetric(last, next) && last.interval === next.interval;
      // With metadata, a page may end within a series.
      if (goesOn) last.points.push(...next.points);
      else series.push(next);
    }
  }
  return { from: first.from, to: first.to, zone: first.time_zone, series: oneOfEach(series) };
}
