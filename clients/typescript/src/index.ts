/**
 * A client for the HTTP API of a Daymark server. Its types are generated from the OpenAPI document (`npm run generate`), so
 * the compiler reports a path, a parameter or a field that does not exist.
 */
import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type { components, paths } from "./schema.js";

type Schemas = components["schemas"];
export type Series = Schemas["Series"];
export type SeriesResponse = Schemas["SeriesResponse"];
export type Point = Schemas["Point"];
export type LatestResponse = Schemas["LatestResponse"];
export type Definition = Schemas["DefinitionEntry"];
export type MetricDeclaration = Schemas["MetricDeclaration"];
export type Job = Schemas["JobAnswer"];
export type Problem = Schemas["Problem"];

/** How a server is reached. */
export interface DaymarkOptions {
  /** Where the server is: `https://metrics.example.com`. */
  url: string;
  /** An API key or a token; without one, only what is public can be read. */
  key?: string;
  /** Another `fetch` than the global one. */
  fetch?: (request: Request) => Promise<Response>;
}

export type Daymark = Client<paths>;

/** The query of `GET /api/v1/metrics`. */
export type SeriesQuery = NonNullable<paths["/api/v1/metrics"]["get"]["parameters"]["query"]>;

/** An error that the server answered, as a problem document (RFC 9457). */
export class DaymarkError extends Error {
  override readonly name = "DaymarkError";

  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title);
  }

  /** The type of the problem: `invalid-parameter`, `unfinished-day`, `too-many-requests` … */
  get kind(): string {
    return this.problem.type.replace("urn:daymark:problem:", "");
  }
}

export function createDaymark({ url, key, fetch }: DaymarkOptions): Daymark {
  return createClient<paths>({
    baseUrl: url,
    ...(key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } }),
    ...(fetch === undefined ? {} : { fetch }),
  });
}

/**
 * Returns the data of an answer, or throws a {@link DaymarkError}.
 *
 * @example const latest = await answered(daymark.GET("/api/v1/latest"));
 */
export async function answered<T>(
  asking: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await asking;
  // A success with status 204 has no data.
  if (data !== undefined || (error === undefined && response.ok)) return data as T;
  throw new DaymarkError(isProblem(error) ? error : unknownProblem(response));
}

/** Returns every series of a query, requesting one page after the other. */
export async function* everySeries(daymark: Daymark, query: SeriesQuery = {}): AsyncGenerator<Series> {
  let cursor: string | null | undefined = query.cursor;
  do {
    const page: SeriesResponse = await answered(
      daymark.GET("/api/v1/metrics", {
        params: { query: { ...query, ...(cursor == null ? {} : { cursor }) } },
      }),
    );
    yield* page.series;
    cursor = page.next_cursor;
  } while (cursor != null);
}

/**
 * Requests the job repeatedly until it is no longer running, and returns it.
 *
 * @param pause the time between two requests, in milliseconds
 */
export async function finished(daymark: Daymark, id: string, pause = 500): Promise<Job> {
  for (;;) {
    const job = await answered(daymark.GET("/api/v1/jobs/{id}", { params: { path: { id } } }));
    if (job.status !== "running") return job;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function isProblem(error: unknown): error is Problem {
  return typeof error === "object" && error !== null && "type" in error && "title" in error;
}

/** Makes a problem for an answer that does not come from Daymark itself, such as one of a proxy. */
function unknownProblem(response: Response): Problem {
  return { type: "about:blank", title: response.statusText || "No answer", status: response.status };
}
