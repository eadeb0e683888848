/**
 * Asks a Daymark server what was recorded. The types are generated from its OpenAPI document (`npm run generate`), so a
 * path, a parameter or a field that does not exist is an error of the compiler.
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

/** What a server answered instead of what was asked, as a problem document (RFC 9457). */
export class DaymarkError extends Error {
  override readonly name = "DaymarkError";

  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title);
  }

  /** `invalid-parameter`, `unfinished-day`, `too-many-requests` … */
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
 * What was asked, or a {@link DaymarkError}.
 *
 * @example const latest = await answered(daymark.GET("/api/v1/latest"));
 */
export async function answered<T>(
  asking: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await asking;
  // Of a success that says nothing more (204) there is no data.
  if (data !== undefined || (error === undefined && response.ok)) return data as T;
  throw new DaymarkError(isProblem(error) ? error : unknownProblem(response));
}

/** Every series of a question, page after page. */
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
 * The job, once it has finished.
 *
 * @param pause between two questions, in milliseconds
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

/** For answers that did not come from Daymark itself, such as a proxy's. */
function unknownProblem(response: Response): Problem {
  return { type: "about:blank", title: response.statusText || "No answer", status: response.status };
}
