/**
 * The client against a server that was started for it at `DAYMARK_TEST_URL`, with the keys of an admin and of a reader. Its
 * platform has rows from 1 to 10 January 2025: day n has n posts and one comment.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { answered, createDaymark, DaymarkError, everySeries, finished, type MetricDeclaration, type SeriesQuery } from "../src/index.js";

const url = setting("DAYMARK_TEST_URL");
const admin = createDaymark({ url, key: setting("DAYMARK_TEST_ADMIN") });
const reader = createDaymark({ url, key: setting("DAYMARK_TEST_READER") });

before(async () => {
  const job = await answered(admin.POST("/api/v1/backfills", { body: { from: "2025-01-01", to: "2025-01-10" } }));
  const done = await finished(admin, job.id, 10);
  assert.equal(done.status, "completed", done.error ?? "");
  assert.deepEqual([done.kind, done.recorded, done.days_done], ["backfill", 40, 10]);
});

test("latest values have a date", async () => {
  const latest = await answered(reader.GET("/api/v1/latest", { params: { query: { category: "posts_total" } } }));
  assert.equal(latest.metrics.length, 1);
  assert.deepEqual([latest.metrics[0]?.value, latest.metrics[0]?.metric_date], [55, "2025-01-10"]);
});

test("paging returns every series once", async () => {
  let requests = 0;
  const counting = createDaymark({
    url,
    key: setting("DAYMARK_TEST_READER"),
    fetch: (request) => {
      requests += 1;
      return fetch(request);
    },
  });
  const query: SeriesQuery = { category: "posts_total,posts_created,comments_created", interval: "day,week" };
  const whole = await answered(reader.GET("/api/v1/metrics", { params: { query } }));
  assert.deepEqual([whole.series.length, whole.next_cursor], [6, null]);
  const paged = await all(everySeries(counting, { ...query, limit: 2 }));
  assert.deepEqual(paged, whole.series);
  assert.equal(requests, 3);
});

test("an export is returned as text", async () => {
  const query = { format: "csv", category: "posts_created", from: "2025-01-02", to: "2025-01-02" } as const;
  const csv = await answered(reader.GET("/api/v1/export", { params: { query }, parseAs: "text" }));
  assert.equal(csv.trimEnd().split("\n").length, 2);
  const latest = { format: "ndjson", category: "posts_created,posts_total" } as const;
  const lines = await answered(reader.GET("/api/v1/export/latest", { params: { query: latest }, parseAs: "text" }));
  assert.deepEqual(
    lines.trimEnd().split("\n").map((line) => (JSON.parse(line) as { metric_category: string }).metric_category),
    ["posts_created", "posts_total"],
  );
});

test("a wrong parameter is an error that names it", async () => {
  const query = { category: "post_total" };
  const error = await refusal(answered(reader.GET("/api/v1/latest", { params: { query } })));
  assert.deepEqual([error.kind, error.problem.status], ["invalid-parameter", 400]);
  assert.equal(error.problem.errors?.[0]?.parameter, "category");
  assert.match(error.message, /`posts_total`/);
});

test("a metric is made and switched off through the API", async () => {
  const path = { category: "jazz_posts" };
  const body: MetricDeclaration = { measure: "created", source: "posts", filter: { genre: "jazz" } };
  const made = await answered(admin.PUT("/api/v1/definitions/{category}", { params: { path }, body }));
  assert.deepEqual([made.metric_category, made.version, made.origin], ["jazz_posts", 1, "api"]);
  await answered(admin.DELETE("/api/v1/definitions/{category}", { params: { path } }));
  const { definitions } = await answered(reader.GET("/api/v1/definitions"));
  const listed = definitions.find((definition) => definition.metric_category === "jazz_posts");
  assert.equal(listed?.is_active, false);
  const wrong: MetricDeclaration = { measure: "created", source: "post" };
  const error = await refusal(
    answered(admin.PUT("/api/v1/definitions/{category}", { params: { path }, body: wrong })),
  );
  assert.equal(error.kind, "invalid-definition");
  assert.match(error.problem.errors?.[0]?.detail ?? "", /`posts`/);
});

test("requests without permission are errors", async () => {
  const stranger = createDaymark({ url });
  assert.equal((await refusal(answered(stranger.GET("/api/v1/latest")))).kind, "unauthenticated");
  assert.equal((await refusal(answered(reader.POST("/api/v1/collections", { body: {} })))).kind, "forbidden");
});

test("an unfinished day is an error", async () => {
  const collecting = admin.POST("/api/v1/collections", { body: { date: "2025-01-11" } });
  assert.equal((await refusal(answered(collecting))).kind, "unfinished-day");
});

test("waiting for an unknown job is an error", async () => {
  const error = await refusal(finished(admin, "00000000-0000-0000-0000-000000000000", 10));
  assert.equal(error.kind, "not-found");
});

test("an answer of a proxy without a problem document is an error", async () => {
  const answers = [new Response("<h1>Bad Gateway</h1>", { status: 502, statusText: "Bad Gateway" }), emptyAnswer(504)];
  for (const answer of answers) {
    const daymark = createDaymark({ url, fetch: () => Promise.resolve(answer) });
    const { problem, kind } = await refusal(answered(daymark.GET("/api/v1/latest")));
    assert.deepEqual([kind, problem.status], ["about:blank", answer.status]);
  }
});

async function refusal(asking: Promise<unknown>): Promise<DaymarkError> {
  const error = await asking.then(
    () => assert.fail("there was an answer"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof DaymarkError, String(error));
  return error;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

function emptyAnswer(status: number): Response {
  return new Response(null, { status, headers: { "content-length": "0" } });
}

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: these tests are run by \`make test\``);
  return value;
}
