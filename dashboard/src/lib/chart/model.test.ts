import assert from "node:assert/strict";
import { test } from "node:test";

import type { Series } from "../api.ts";
import { bucketSentence, chartData, dateTicks, describe, emptyRuns, notesOf, valueDomain } from "./model.ts";

/** Posts of five days: two with a value, two that failed, and one that was recorded later. */
function posts(): Series {
  const values = [10, null, null, 40, 30];
  return {
    metric_type: "count",
    metric_category: "posts_created",
    display_name: "New posts",
    unit: "count",
    format_pattern: "0,0",
    is_active: true,
    interval: "day",
    roll_up: "sum",
    refused: null,
    points: values.map((value, index) => ({ from: `2026-01-0${index + 1}`, value })),
    recorded: [
      { from: "2026-01-01", to: "2026-01-01", days: 1, provenance: "observed", definition_version: 1 },
      { from: "2026-01-04", to: "2026-01-05", days: 2, provenance: "reconstructed", definition_version: 2 },
    ],
    gaps: [
      { from: "2026-01-02", to: "2026-01-03", days: 2, cause: "failed", explanation: "the run failed; the collection log says why", ready_at: null, fill: null },
    ],
    version_changes: [{ date: "2026-01-04", from_version: 1, to_version: 2 }],
  };
}

test("a gap is a run of buckets without a value, and its cause is told", () => {
  const data = chartData([posts()], "2026-01-05");
  assert.deepEqual(emptyRuns(data), [{ from: 1, to: 2 }]);
  assert.equal(
    bucketSentence(data, 1, "en-GB"),
    "Fri, 2 Jan 2026: New posts no value (the run failed; the collection log says why).",
  );
});

test("what was recorded later and by another definition is told", () => {
  const data = chartData([posts()], "2026-01-05");
  assert.equal(
    bucketSentence(data, 3, "en-GB"),
    "Sun, 4 Jan 2026: New posts 40, reconstructed; New posts: version 2 of the definition begins on 2026-01-04.",
  );
});

test("the description has the extremes, the newest value and what is missing", () => {
  const text = describe(chartData([posts()], "2026-01-05"), "line", "en-GB");
  assert.equal(
    text,
    "Line chart by day, Thu, 1 Jan 2026 to Mon, 5 Jan 2026. New posts: lowest 10 (Thu, 1 Jan 2026), highest 40 (Sun, 4 Jan 2026), " +
      "newest 30 (Mon, 5 Jan 2026). 2 days without a value.",
  );
  assert.equal(describe({ interval: "day", buckets: [], to: "", metrics: [], series: [], changes: [] }, "bar"), "An empty chart.");
});

test("bars begin at zero, and lines where their shape is seen", () => {
  const series = { ...posts(), points: [100, 104, 98].map((value, index) => ({ from: `2026-01-0${index + 1}`, value })) };
  const data = chartData([series], "2026-01-03");
  assert.deepEqual(valueDomain(data, "bar"), [0, 104]);
  assert.deepEqual(valueDomain(data, "line"), [98, 104]);
  const twice = { ...data, series: [...data.series, ...data.series] };
  assert.deepEqual(valueDomain(twice, "stacked"), [0, 208]);
});

test("an axis holds zero, negative values and values that are all the same", () => {
  const of = (...values: (number | null)[]) =>
    chartData([{ ...posts(), points: values.map((value, index) => ({ from: `2026-01-0${index + 1}`, value })) }], "2026-01-09");
  assert.deepEqual(valueDomain(of(-5, 3), "line"), [-5, 3]);
  assert.deepEqual(valueDomain(of(0, 0), "line"), [0, 1]);
  assert.deepEqual(valueDomain(of(7, 7), "line"), [0, 7]);
  assert.deepEqual(valueDomain(of(null, null), "line"), [0, 1]);
});

test("ticks of the time axis keep their distance", () => {
  const days = Array.from({ length: 365 }, (_, index) => new Date(Date.UTC(2026, 0, 1 + index)).toISOString().slice(0, 10));
  for (const width of [200, 640, 1200]) {
    const ticks = dateTicks(days, "day", width);
    const distances = ticks.slice(1).map((tick, index) => ((tick.index - (ticks[index]?.index ?? 0)) * width) / 365);
    assert.ok(ticks.length >= 2 && Math.min(...distances) > 40, `${width}: ${distances}`);
  }
  assert.deepEqual(dateTicks(days.slice(0, 3), "day", 640, 64, "en-GB").map(({ label }) => label), ["1 Jan", "2 Jan", "3 Jan"]);
  assert.deepEqual(dateTicks([], "day", 640), []);
});

test("annotations stand at their buckets, on charts of their metrics", () => {
  const data = chartData([posts()], "2026-01-05");
  const note = (from: string, to: string, text: string, metric_category: string | null = null) =>
    ({ id: text, from, to, text, metric_category, created_at: "", created_by: "" });
  const annotations = [
    note("2026-01-04", "2026-01-04", "release"),
    note("2025-12-30", "2026-01-02", "outage", "posts_created"),
    note("2026-01-03", "2026-01-03", "about others", "users_total"),
    note("2026-01-06", "2026-01-09", "later"),
    note("2025-12-01", "2025-12-31", "earlier"),
  ];
  const notes = notesOf(data, annotations, "en-GB");
  assert.deepEqual(notes, [
    { from: 3, to: 3, text: "4 Jan 2026: release" },
    { from: 0, to: 1, text: "30 Dec 2025 to 2 Jan 2026: outage" },
  ]);
  assert.match(bucketSentence({ ...data, notes }, 3, "en-GB"), /annotation of 4 Jan 2026: release\.$/);
  assert.match(describe({ ...data, notes }, "line", "en-GB"), /Annotation of 4 Jan 2026: release\./);
});
