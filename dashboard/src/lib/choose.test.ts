import assert from "node:assert/strict";
import { test } from "node:test";

import type { Definition, Series } from "./api.ts";
import { labelTotals, OTHER } from "./breakdown.ts";
import { choose } from "./choose.ts";

function definition(metric_category: string, roll_up: Definition["roll_up"], more: Partial<Definition> = {}): Definition {
  return {
    metric_type: "count",
    metric_category,
    display_name: metric_category,
    description: "",
    unit: "count",
    format_pattern: "0,0",
    headline: false,
    group: "",
    is_active: true,
    origin: "file",
    version: 1,
    roll_up,
    expected_min: null,
    expected_max: null,
    time_zone: "UTC",
    created_at: "2026-01-01T00:00:00Z",
    ...more,
  };
}

test("metrics are chosen by what they are, with known names first", () => {
  const chosen = choose([
    definition("comments_created", "sum"),
    definition("follows_total", "last"),
    definition("invoices", "sum"),
    definition("posts_created", "sum"),
    definition("posts_total", "last"),
    definition("old_total", "last", { is_active: false }),
    definition("rate", "percentage"),
    definition("top_genres", "merge", { metric_type: "aggregate" }),
  ]);
  const names = (list: Definition[]) => list.map(({ metric_category }) => metric_category);
  assert.deepEqual(names(chosen.totals), ["posts_total", "follows_total"]);
  assert.deepEqual(names(chosen.activity), ["posts_created", "comments_created"]);
  assert.deepEqual(names(chosen.shares), ["rate"]);
  assert.deepEqual(names(chosen.breakdowns), ["top_genres"]);
});

test("where definitions are marked as headlines, they are what is shown", () => {
  const chosen = choose([
    definition("posts_total", "last"),
    definition("orders_total", "last", { headline: true }),
    definition("orders", "sum", { headline: true }),
    definition("old_total", "last", { headline: true, is_active: false }),
  ]);
  const names = [chosen.totals, chosen.activity, chosen.shares].map((list) => list.map((one) => one.metric_category));
  assert.deepEqual(names, [["orders_total"], ["orders"], []]);
});

test("activity has one axis, so one unit", () => {
  const chosen = choose([definition("a_orders", "sum"), definition("b_revenue", "sum", { unit: "EUR" })]);
  assert.deepEqual(chosen.activity.map(({ metric_category }) => metric_category), ["a_orders"]);
});

test("labels of flows are added up, and those of stocks are the newest", () => {
  const points = [
    { from: "2026-01-01", value: 2, metadata: { breakdown: { jazz: 2, rock: 1 }, other: { value: 9 } } },
    { from: "2026-01-02", value: 2, metadata: { breakdown: { jazz: 1, rock: 4 }, other: { value: 0 } } },
    { from: "2026-01-03", value: null },
  ];
  const series = (roll_up: string) => ({ points, roll_up }) as unknown as Series;
  assert.deepEqual(labelTotals(series("merge")), [
    { label: "rock", value: 5 },
    { label: "jazz", value: 3 },
    { label: OTHER, value: 9 },
  ]);
  assert.deepEqual(labelTotals(series("last")), [
    { label: "rock", value: 4 },
    { label: "jazz", value: 1 },
  ]);
});
