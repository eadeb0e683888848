import assert from "node:assert/strict";
import { test } from "node:test";

import { fittingInterval, rangeDates } from "../range.ts";
import { curl, sql, supabase } from "./code.ts";
import { earlierRange } from "./compare.ts";
import { MAX_METRICS, parseState, stateQuery } from "./state.ts";

const parse = (query: string) => parseState(new URLSearchParams(query));

test("the state survives the address and back", () => {
  for (const query of [
    "",
    "metrics=posts_created,comments_created&days=30&by=week&as=stacked&against=year",
    "metrics=a%26b&from=2026-01-01&to=2026-03-31&as=table",
    "values=recorded&as_of=2026-03-31",
    "as_of=2026-03-31T12:00:00Z",
  ])
    assert.equal(stateQuery(parse(query)), query);
});

test("an invalid parameter of an address gets its default", () => {
  const fallback = parse("");
  for (const query of ["by=decade", "as=pie", "against=you", "days=31", "days=-1", "from=2026-02-01&to=2026-01-01", "from=x&to=y", "values=all", "as_of=yesterday"])
    assert.deepEqual(parse(query), fallback, query);
  const many = Array.from({ length: 40 }, (_, index) => `m${index}`).join(",");
  assert.equal(parse(`metrics=${many}`).metrics.length, MAX_METRICS);
  assert.deepEqual(parse("metrics=a,,a, b").metrics, ["a", "b"]);
});

test("a range ends with the last finished day", () => {
  assert.deepEqual(rangeDates({ days: 7 }, "2026-11-28"), { from: "2026-11-22", to: "2026-11-28" });
});

test("an interval that makes too many points gives way to the next longer one", () => {
  assert.equal(fittingInterval("day", "2026-01-01", "2026-12-31", 365), "day");
  assert.equal(fittingInterval("day", "2025-12-31", "2026-12-31", 365), "week");
  assert.equal(fittingInterval("day", "2016-01-01", "2026-12-31", 365), "month");
});

test("days are compared with the same weekdays", () => {
  const weekday = (date: string) => new Date(date).getUTCDay();
  for (const comparison of ["previous", "year"] as const) {
    const before = earlierRange("2026-10-30", "2026-11-28", "day", comparison);
    assert.equal(weekday(before.from), weekday("2026-10-30"), comparison);
    assert.ok(before.to < "2026-10-30", "the periods do not overlap");
  }
  assert.deepEqual(earlierRange("2026-11-26", "2026-11-28", "day", "previous"), { from: "2026-11-23", to: "2026-11-25" });
});

test("months are compared with the months before, and with those of a year ago", () => {
  assert.deepEqual(earlierRange("2026-09-01", "2026-11-28", "month", "previous"), { from: "2026-06-01", to: "2026-08-28" });
  assert.deepEqual(earlierRange("2026-09-01", "2026-11-30", "month", "year"), { from: "2025-09-01", to: "2025-11-30" });
  assert.deepEqual(earlierRange("2026-01-31", "2026-03-31", "month", "previous"), { from: "2025-10-31", to: "2025-12-31" });
});

test("whole months, quarters and years are compared with whole ones, whatever their lengths", () => {
  for (const [from, to, interval, comparison, earlier] of [
    ["2026-02-01", "2026-02-28", "month", "previous", ["2026-01-01", "2026-01-31"]],
    ["2026-04-01", "2026-04-30", "month", "previous", ["2026-03-01", "2026-03-31"]],
    ["2026-04-01", "2026-06-30", "quarter", "previous", ["2026-01-01", "2026-03-31"]],
    ["2025-02-01", "2025-02-28", "month", "year", ["2024-02-01", "2024-02-29"]],
    ["2024-02-01", "2024-02-29", "month", "year", ["2023-02-01", "2023-02-28"]],
    ["2025-01-01", "2025-12-31", "year", "previous", ["2024-01-01", "2024-12-31"]],
    // To the middle of a month, to the middle of the other one.
    ["2026-04-01", "2026-04-29", "month", "previous", ["2026-03-01", "2026-03-29"]],
  ] as const) {
    const { from: earlierFrom, to: earlierTo } = earlierRange(from, to, interval, comparison);
    assert.deepEqual([earlierFrom, earlierTo], earlier, `${from} to ${to}`);
  }
});

test("hostile names stay words of the shell, strings of JavaScript and literals of SQL", () => {
  const question = {
    origin: "http://127.0.0.1:8640",
    metrics: [`it's`, `"; rm -rf /`],
    from: "2026-01-01",
    to: "2026-01-31",
    interval: "day",
  } as const;
  const asked = { ...question, metrics: [...question.metrics] };
  assert.match(curl(asked), /'http:.*it%27s%2C%22%3B\+rm\+-rf\+%2F.*'/);
  assert.match(supabase(asked), /\["it's","\\"; rm -rf \/"\]/);
  assert.match(sql(asked), /IN \('it''s', '"; rm -rf \/'\)/);
});
