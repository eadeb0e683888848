// The requests to every side, and readers that turn answers of each shape into numbers by category and date.

const ACTIVITY = ["posts_created", "comments_created"];
const YEAR = [...ACTIVITY, "users_total", "posts_total", "comments_total"];
const YEAR_DAYS = 365;
const DAY_MS = 86_400_000;

/**
 * A side is one request to one server: `url`, `headers`, and `read`, which makes a map of its answer.
 * The ranges of both requests end with `to`, the last finished day according to Daymark.
 */
export function sides({ cached, uncached, nginx, postgrest, fastify, key, from, to }) {
  const ours = { apikey: key };
  const year = { from: daysBefore(to, YEAR_DAYS - 1), to };
  const ask = (name, server, path, headers, read) => ({ name, server, url: server.url + path, headers, read });
  const bearer = (token) => ({ authorization: `Bearer ${token}` });
  const rows = (select, categories, range) =>
    `/daily_metrics?select=${select}&metric_category=in.(${categories})&metric_date=gte.${range.from}` +
    `&metric_date=lte.${range.to}&order=metric_date`;
  const narrow = "metric_date,metric_category,value";
  const theirs = (name, path) => ask(name, postgrest.server, path, bearer(postgrest.token), readRows);
  const byHand = (name, categories, range) => {
    const path = `/metrics?category=${categories}&from=${range.from}&to=${range.to}`;
    return ask(name, fastify.server, path, bearer(fastify.token), readRows);
  };
  const yearPath = `/api/v1/metrics?from=${year.from}&to=${year.to}&category=${YEAR}`;
  return {
    activityCached: ask("Daymark, cached", cached, ACTIVITY_PATH, ours, readSeries),
    nginx: ask("nginx", nginx, "/activity.json", {}, readSeries),
    activity: ask("Daymark", uncached, ACTIVITY_PATH, ours, readSeries),
    activityPostgrest: theirs("PostgREST", rows(narrow, ACTIVITY, { from, to })),
    activityFastify: byHand("fastify", ACTIVITY, { from, to }),
    year: ask("Daymark", uncached, yearPath, ours, readSeries),
    // The first one is what supabase-js clients of these tables send. The second one selects the fewest columns.
    yearPostgrestAll: theirs("PostgREST, select=*", rows("*", YEAR, year)),
    yearPostgrest: theirs("PostgREST, 3 columns", rows(narrow, YEAR, year)),
    yearFastify: byHand("fastify", YEAR, year),
  };
}

export const ACTIVITY_PATH = `/api/v1/activity?days=30&category=${ACTIVITY}`;

/** Fails unless all sides return the same numbers, and those with credentials refuse a request without them. */
export async function sameNumbers(sides) {
  const groups = [
    ["activityCached", "nginx", "activity", "activityPostgrest", "activityFastify"],
    ["year", "yearPostgrestAll", "yearPostgrest", "yearFastify"],
  ];
  for (const [first, ...others] of groups) {
    const expected = await numbers(sides[first]);
    if (expected.size === 0) throw new Error(`${sides[first].name} has no numbers at ${sides[first].url}`);
    for (const other of others) {
      const difference = firstDifference(expected, await numbers(sides[other]));
      if (difference) throw new Error(`${sides[first].name} and ${sides[other].name} disagree: ${difference}`);
    }
  }
  for (const { name, url, headers } of Object.values(sides)) {
    const { status } = await fetch(url);
    const wanted = Object.keys(headers).length > 0 ? 401 : 200;
    if (status !== wanted) throw new Error(`${name} answers ${status} without credentials, not ${wanted}`);
  }
}

/** Returns the text of an answer. */
export async function answer({ name, url, headers }) {
  const response = await fetch(url, { headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`${name} answers ${response.status} at ${url}: ${text.slice(0, 500)}`);
  return text;
}

async function numbers(side) {
  const text = await answer(side);
  side.bytes = Buffer.byteLength(text);
  return side.read(JSON.parse(text));
}

function readSeries({ series }) {
  const points = series.flatMap(({ metric_category, points }) =>
    points.map(({ from, value }) => [`${metric_category} ${from}`, value]),
  );
  return new Map(points.filter(([, value]) => value !== null));
}

function readRows(rows) {
  return new Map(rows.map(({ metric_category, metric_date, value }) => [`${metric_category} ${metric_date}`, value]));
}

function firstDifference(expected, found) {
  if (found.size !== expected.size) return `${expected.size} and ${found.size} numbers`;
  for (const [key, value] of expected) {
    if (found.get(key) !== value) return `${key} is ${value} and ${found.get(key)}`;
  }
  return null;
}

function daysBefore(date, days) {
  return new Date(Date.parse(date) - days * DAY_MS).toISOString().slice(0, 10);
}
