import assert from "node:assert/strict";
import { test } from "node:test";

import type { Series } from "../api.ts";
import { calendar, sharedGaps } from "./days.ts";

function series(name: string, recorded: [string, string, string][], gaps: [string, string, string, boolean][]): Series {
  return {
    metric_category: name,
    display_name: name.toUpperCase(),
    recorded: recorded.map(([from, to, provenance]) => ({ from, to, provenance, days: 1, definition_version: 1 })),
    gaps: gaps.map(([from, to, cause, fills]) => ({
      from,
      to,
      cause,
      days: 1,
      explanation: cause,
      ready_at: null,
      fill: fills ? { command: "", from, to, metric_category: name } : null,
    })),
  } as unknown as Series;
}

test("a day is as its metrics are", () => {
  const days = calendar(
    [
      series("a", [["2026-01-01", "2026-01-03", "observed"], ["2026-01-04", "2026-01-04", "reconstructed"]], [["2026-01-05", "2026-01-06", "failed", true]]),
      series("b", [["2026-01-01", "2026-01-02", "observed"], ["2026-01-04", "2026-01-04", "observed"]], [
        ["2026-01-03", "2026-01-03", "timed_out", true],
        ["2026-01-06", "2026-01-06", "running", false],
        ["2026-01-07", "2026-01-07", "never_collected", true],
        ["2026-01-08", "2026-01-08", "not_yet_due", false],
      ]),
      series("c", [["2026-01-02", "2026-01-04", "observed"]], [["2025-12-01", "2026-01-01", "defined_later", true]]),
    ],
    "2026-01-01",
    "2026-01-08",
  );
  assert.deepEqual(
    days.map(({ state }) => state),
    ["recorded", "recorded", "partial", "reconstructed", "failed", "running", "missing", "none"],
  );
  assert.equal(days[2]?.text, "2 metrics recorded, 1 metric failed");
  assert.equal(days[7]?.text, "nothing is due");
});

test("the same gap of several metrics is one", () => {
  const gaps = sharedGaps([
    series("a", [], [["2026-01-01", "2026-01-02", "failed", true], ["2026-01-09", "2026-01-09", "not_yet_due", false]]),
    series("b", [], [["2026-01-01", "2026-01-02", "failed", true], ["2026-01-05", "2026-01-05", "failed", false]]),
    series("c", [], [["2025-01-01", "2025-12-31", "defined_later", true]]),
  ], "2026-01-01");
  assert.deepEqual(
    gaps.map(({ from, metrics, canFill }) => [from, metrics.join(), canFill]),
    [
      ["2026-01-05", "b", false],
      ["2026-01-01", "a,b", true],
    ],
  );
});
