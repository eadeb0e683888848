import assert from "node:assert/strict";
import { test } from "node:test";

import { fittingInterval, narrowed, parseRange, shifted, widened } from "./range.ts";

const LAST = "2026-01-31";

test("a range moves by its length and never beyond the last finished day", () => {
  const week = { from: "2026-01-18", to: "2026-01-24" };
  assert.deepEqual(shifted(week, -1, LAST), { from: "2026-01-11", to: "2026-01-17" });
  assert.deepEqual(shifted(week, 1, LAST), { from: "2026-01-25", to: LAST });
  assert.deepEqual(shifted({ from: "2026-01-25", to: LAST }, 1, LAST), { from: "2026-01-25", to: LAST });
});

test("a range is widened around its middle, or before its end", () => {
  assert.deepEqual(widened({ from: "2026-01-11", to: "2026-01-14" }, LAST), { from: "2026-01-09", to: "2026-01-16" });
  assert.deepEqual(widened({ from: "2026-01-28", to: LAST }, LAST), { from: "2026-01-24", to: LAST });
});

test("a range is narrowed around its middle, to a day at least", () => {
  assert.deepEqual(narrowed({ from: "2026-01-11", to: "2026-01-18" }), { from: "2026-01-13", to: "2026-01-16" });
  assert.deepEqual(narrowed({ from: "2026-01-29", to: LAST }), { from: "2026-01-30", to: "2026-01-30" });
  assert.deepEqual(narrowed({ from: LAST, to: LAST }), { from: LAST, to: LAST });
});

test("invalid parts of an address are ignored", () => {
  for (const text of ["days=8", "days=x", "from=2026-01-01", "from=2026-01-31&to=2026-01-01", "from=2026-02-30&to=2026-03-01"])
    assert.deepEqual(parseRange(new URLSearchParams(text), 90), { days: 90 }, text);
});

test("ten years are shown by month, because days are more than an answer has points", () => {
  assert.equal(fittingInterval("day", "2016-02-01", LAST, 365), "month");
  assert.equal(fittingInterval("week", "2021-02-01", LAST, 365), "week");
});
