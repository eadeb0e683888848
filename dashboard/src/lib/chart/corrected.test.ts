import assert from "node:assert/strict";
import { test } from "node:test";

import type { Correction, Series } from "../api.ts";
import { panels } from "../explore/panels.ts";
import { bucketSentence, chartData, remarks, valueDomain } from "./model.ts";

/** Posts of four days: one is corrected, one withdrawn, and one was recorded later. */
function posts(): Series {
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
    points: [
      { from: "2026-01-01", value: 10 },
      { from: "2026-01-02", value: 9, recorded_value: 40, revision: 2 },
      { from: "2026-01-03", value: null },
      { from: "2026-01-04", value: 30 },
    ],
    recorded: [
      { from: "2026-01-01", to: "2026-01-01", days: 1, provenance: "observed", definition_version: 1 },
      { from: "2026-01-02", to: "2026-01-02", days: 1, provenance: "corrected", definition_version: 1 },
      { from: "2026-01-04", to: "2026-01-04", days: 1, provenance: "reconstructed", definition_version: 1 },
    ],
    gaps: [
      { from: "2026-01-03", to: "2026-01-03", days: 1, cause: "withdrawn", explanation: "withdrawn: the value cannot be known", fill: null },
    ],
  };
}

function correction(more: Partial<Correction>): Correction {
  return {
    metric_type: "count",
    metric_category: "posts_created",
    metric_date: "2026-01-02",
    revision: 2,
    kind: "value",
    is_in_force: true,
    recorded_value: 40,
    basis: "manual",
    reason: "spam was counted",
    author: "key:admin",
    created_at: "2026-02-01T10:00:00Z",
    batch_id: "0",
    ...more,
  };
}
const corrections = [
  correction({ value: 9 }),
  correction({ metric_date: "2026-01-03", revision: 1, kind: "withdrawal", recorded_value: 21, reason: "the import failed" }),
  correction({ metric_date: "2026-01-04", metric_category: "others", reason: "is of another metric" }),
];

test("the sentence about a corrected value has the recorded value, the author and the reason", () => {
  const data = chartData([posts()], "2026-01-04", corrections);
  assert.equal(
    bucketSentence(data, 1, "en-GB"),
    "Fri, 2 Jan 2026: New posts 9, corrected from 40 by key:admin: spam was counted.",
  );
  assert.equal(
    bucketSentence(data, 2, "en-GB"),
    "Sat, 3 Jan 2026: New posts no value (withdrawn: the value cannot be known; " +
      "withdrawn by key:admin: the import failed (21 was recorded)).",
  );
  assert.equal(bucketSentence(data, 3, "en-GB"), "Sun, 4 Jan 2026: New posts 30, reconstructed.");
  // The recorded values are drawn, too.
  assert.deepEqual(valueDomain(data, "line"), [0, 40]);
});

test("a restatement names the version of the definition under which it was counted", () => {
  const restated = correction({ basis: "reconstruction", definition_version: 3 });
  const [, text] = remarksOf(chartData([posts()], "2026-01-04", [restated]), 1);
  assert.equal(text, undefined);
  assert.match(remarksOf(chartData([posts()], "2026-01-04", [restated]), 1)[0] ?? "", /counted again under version 3 of the definition: spam was counted$/);
});

const remarksOf = (data: ReturnType<typeof chartData>, index: number) => (data.series[0] ? remarks(data.series[0], index) : []);

test("a correction whose reason is not known yet is a correction all the same", () => {
  assert.deepEqual(remarksOf(chartData([posts()], "2026-01-04"), 1), ["corrected: 40 was recorded"]);
});

test("a longer interval tells how many of its days are corrected, and why", () => {
  const week = { from: "2025-12-29", to: "2026-01-04", value: 49, days_recorded: 6, days_due: 7, complete: false };
  const weekly = { ...posts(), interval: "week" as const, points: [week] };
  const told = remarksOf(chartData([weekly], "2026-01-04", corrections), 0);
  assert.deepEqual(told, [
    "corrected, observed and reconstructed",
    "6 of 7 days are recorded (withdrawn: the value cannot be known)",
    "2 corrected days: spam was counted; the import failed",
  ]);
});

test("a correction of a breakdown is described once, for the whole breakdown", () => {
  const breakdown = { breakdown: { jazz: 5, rock: 4 } };
  const points = posts().points.map((point) => (point.value === null ? point : { ...point, metadata: breakdown }));
  const [panel] = panels([{ ...posts(), points, has_labels: true }], "2026-01-04", undefined, corrections);
  const told = panel?.data.series.map((series) => series.corrected?.[1]?.text);
  assert.deepEqual(told, ["New posts corrected from 40 by key:admin: spam was counted", undefined]);
});

test("a sum of a column has no labels, whatever its type", () => {
  const sum = { ...posts(), metric_type: "aggregate" as const, roll_up: "last" as const };
  const made = panels([sum], "2026-01-04", undefined);
  assert.deepEqual(made.map(({ key, data }) => [key, data.series.length]), [["count total", 1]]);
});
