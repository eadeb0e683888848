import assert from "node:assert/strict";
import { test } from "node:test";

import { addDays, type Interval } from "../dates.ts";
import { bucketSentence, describe, emptyRuns, valueDomain, type ChartData } from "../chart/model.ts";
import { reframed } from "./reframe.ts";

function chart(interval: Interval, buckets: string[]): ChartData {
  const values = buckets.map((_, index) => (index === 1 ? null : 10 * (index + 1)));
  const none = buckets.map(() => undefined);
  const series = [{ id: "posts", name: "New posts", unit: "count", pattern: "0,0", style: 0, values, notes: none, provenance: none }];
  return { interval, buckets, to: buckets.at(-1) ?? "", metrics: ["posts"], series, changes: [{ index: 2, text: "version 2" }] };
}
const days = chart("day", [0, 1, 2, 3, 4].map((day) => addDays("2026-01-01", day)));

test("a part of a range is drawn from what is known of the whole", () => {
  const part = reframed(days, "2026-01-02", "2026-01-04");
  assert.deepEqual(part?.buckets, ["2026-01-02", "2026-01-03", "2026-01-04"]);
  assert.deepEqual(part?.series[0]?.values, [null, 30, 40]);
  assert.deepEqual(part?.changes, [{ index: 1, text: "version 2" }]);
  assert.deepEqual(emptyRuns(part as ChartData), [{ from: 0, to: 0 }], "a gap stays one");
});

test("days that are not known yet are no gaps, and the axis keeps its height", () => {
  const moved = reframed(days, "2026-01-04", "2026-01-07") as ChartData;
  assert.deepEqual(moved.series[0]?.values, [40, 50, null, null]);
  assert.deepEqual(moved.pending?.isPending, [false, false, true, true]);
  assert.deepEqual(emptyRuns(moved), []);
  assert.deepEqual(valueDomain(moved, "line"), valueDomain(days, "line"));
  assert.ok(!describe(moved, "line", "en-GB").includes("without a value"));
  assert.match(bucketSentence(moved, 2, "en-GB"), /New posts no value \(the answer is on its way\)/);
});

test("weeks, months and quarters keep their first days, though a range may begin within one", () => {
  const weeks = chart("week", ["2026-01-07", "2026-01-12", "2026-01-19"]);
  assert.deepEqual(reframed(weeks, "2025-12-30", "2026-01-14")?.buckets, ["2025-12-29", "2026-01-05", "2026-01-12"]);
  assert.deepEqual(reframed(weeks, "2025-12-30", "2026-01-14")?.series[0]?.values, [null, 10, null]);
  const months = chart("month", ["2025-12-15", "2026-01-01", "2026-02-01"]);
  assert.deepEqual(reframed(months, "2025-11-20", "2026-02-10")?.buckets, ["2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01"]);
  assert.deepEqual(reframed(months, "2025-11-20", "2026-02-10")?.series[0]?.values, [null, 10, null, 30]);
  const quarters = chart("quarter", ["2025-10-01", "2026-01-01"]);
  assert.deepEqual(reframed(quarters, "2026-02-10", "2026-05-01")?.buckets, ["2026-01-01", "2026-04-01"]);
});

test("nothing is drawn from nothing, and no range of very many days", () => {
  assert.equal(reframed({ ...days, series: [] }, "2026-01-01", "2026-01-02"), undefined);
  assert.equal(reframed(days, "2016-01-01", "2026-01-02"), undefined);
});
