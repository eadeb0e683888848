import assert from "node:assert/strict";
import { test } from "node:test";

import type { Series } from "../api.ts";
import { mediumDate } from "../dates.ts";
import { bucketSentence, chartData, describe, drawnBand, emptyRuns, notesOf, valueDomain } from "./model.ts";
import { dateTicks } from "./place.ts";

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

test("a gap is a sequence of buckets without a value, described with its cause", () => {
  const data = chartData([posts()], "2026-01-05");
  assert.deepEqual(emptyRuns(data), [{ from: 1, to: 2 }]);
  assert.equal(
    bucketSentence(data, 1, "en-GB"),
    "Fri, 2 Jan 2026: New posts no value (the run failed; the collection log says why).",
  );
});

test("reconstructed values and changes of the definition are described", () => {
  const data = chartData([posts()], "2026-01-05");
  assert.equal(
    bucketSentence(data, 3, "en-GB"),
    `Sun, 4 Jan 2026: New posts 40, reconstructed; New posts: version 2 of the definition begins on ${mediumDate("2026-01-04")}.`,
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

/** New posts whose last value is far above the band in which it was expected, and the band of the first reaches below zero. */
function judged(): Series {
  const judgement = {
    verdict: "normal", reason: null, expected_low: -3, expected_high: 20, score: 0.5, baseline_days: 56,
    baseline_from: "2025-11-06", baseline_to: "2025-12-31", judge_version: 1,
  };
  const anomaly = { ...judgement, verdict: "anomaly", reason: "above", expected_low: 4.2, expected_high: 15.6, score: 4.25 };
  const points = posts().points.map((point, index) =>
    index === 0 ? { ...point, judgement } : index === 4 ? { ...point, judgement: anomaly } : point,
  );
  return { ...posts(), points: points as Series["points"] };
}

test("the sentence about an unusual value has the band in which it was expected", () => {
  const data = chartData([judged()], "2026-01-05");
  assert.match(
    bucketSentence(data, 4, "en-GB"),
    /New posts 30, reconstructed, unusual: above the expected 4 to 16 by 4\.3 standard deviations, judged by 56 days\.$/,
  );
  assert.match(describe(data, "line", "en-GB"), / Unusual: 30 \(Mon, 5 Jan 2026\)\.$/);
  assert.deepEqual(data.series[0]?.judged?.map((value) => value?.band), [[0, 20], undefined, undefined, undefined, [4.2, 15.6]]);
});

test("of several series, only the bands of unusual values are drawn", () => {
  const one = chartData([judged()], "2026-01-05");
  const two = chartData([judged(), posts()], "2026-01-05");
  const bands = (data: typeof one) => data.buckets.map((_, index) => data.series[0] && drawnBand(data, data.series[0], index));
  assert.deepEqual(bands(one), [[0, 20], undefined, undefined, undefined, [4.2, 15.6]]);
  assert.deepEqual(bands(two), [undefined, undefined, undefined, undefined, [4.2, 15.6]]);
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
  const weeks = ["2026-09-01", "2026-09-07", "2026-09-14", "2026-09-21", "2026-09-28", "2026-10-05"];
  assert.deepEqual(dateTicks(weeks, "week", 256, 64, "en-GB").map(({ label }) => label), ["Sept", "Oct"], "a cut first week");
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
