import assert from "node:assert/strict";
import { test } from "node:test";

import type { Definition, Series } from "./api.ts";
import { addsUp, labelPattern, labelTotals, OTHER, totalsOf, UNLABELLED } from "./breakdown.ts";
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
    definition("top_genres", "merge", { metric_type: "aggregate", has_labels: true }),
    definition("plays_by_genre", "last", { metric_type: "aggregate", has_labels: true }),
    // The sum of a column of the rows that exist, which has no labels.
    definition("stock_value", "last", { metric_type: "aggregate" }),
  ]);
  const names = (list: Definition[]) => list.map(({ metric_category }) => metric_category);
  assert.deepEqual(names(chosen.totals), ["posts_total", "follows_total", "stock_value"]);
  assert.deepEqual(chosen.activity.map(names), [["posts_created", "comments_created"]]);
  assert.deepEqual(names(chosen.shares), ["rate"]);
  assert.deepEqual(names(chosen.breakdowns), ["plays_by_genre", "top_genres"]);
});

test("where definitions are marked as headlines, they are what is shown", () => {
  const chosen = choose([
    definition("posts_total", "last"),
    definition("orders_total", "last", { headline: true }),
    definition("orders", "sum", { headline: true }),
    definition("old_total", "last", { headline: true, is_active: false }),
  ]);
  const names = [chosen.totals, chosen.activity.flat(), chosen.shares].map((list) => list.map((one) => one.metric_category));
  assert.deepEqual(names, [["orders_total"], ["orders"], []]);
});

test("activity has one axis, so one unit", () => {
  const chosen = choose([definition("a_orders", "sum"), definition("b_revenue", "sum", { unit: "EUR" })]);
  assert.deepEqual(chosen.activity.map((list) => list.map((one) => one.metric_category)), [["a_orders"]]);
});

test("every headline has a place, whatever its kind and unit, or is counted", () => {
  const headline = (name: string, roll_up: Definition["roll_up"], more: Partial<Definition> = {}) =>
    definition(name, roll_up, { headline: true, ...more });
  const all = [
    headline("customers_created", "sum"),
    headline("orders_created", "sum"),
    headline("revenue", "sum", { unit: "EUR" }),
    headline("refunded", "sum", { unit: "EUR" }),
    headline("customers_active", "never"),
    headline("revenue_per_order", "formula"),
    headline("top_products", "never", { has_labels: true }),
  ];
  const names = (list: Definition[]) => list.map((one) => one.metric_category);
  const chosen = choose(all);
  assert.deepEqual(chosen.activity.map(names), [["customers_created", "orders_created"], ["refunded", "revenue"]]);
  assert.deepEqual([names(chosen.daily), names(chosen.averages), names(chosen.breakdowns)], [["customers_active"], ["revenue_per_order"], ["top_products"]]);
  assert.equal(chosen.left, 0);
  const many = Array.from({ length: 10 }, (_, index) => headline(`flow_${index}`, "sum"));
  assert.equal(choose([...all, ...many]).left, 8);
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
  assert.equal(totalsOf(series("merge")), undefined);
  assert.equal(totalsOf(series("last")), "2026-01-02");
  assert.deepEqual(labelTotals(series("last")), [
    { label: "rock", value: 4 },
    { label: "jazz", value: 1 },
  ]);
});

test("means and distinct values have no row for what is without a label, and no share", () => {
  const points = [{ from: "2026-01-01", value: 2, metadata: { breakdown: { jazz: 3.7, rock: 0.5 }, unlabelled: 1204 } }];
  const series = (roll_up: string) => ({ points, roll_up }) as unknown as Series;
  for (const rollUp of ["merge_averages", "never"]) {
    assert.deepEqual(labelTotals(series(rollUp)).map(({ label }) => label), ["jazz", "rock"], rollUp);
    assert.ok(!addsUp(series(rollUp)), rollUp);
  }
  assert.ok(labelTotals(series("merge")).some(({ label }) => label === UNLABELLED));
});

test("a label that is called as the rest is stays apart from it", () => {
  const points = [{ from: "2026-01-01", value: 2, metadata: { breakdown: { "other labels": 2 }, other: { value: 9 } } }];
  const totals = labelTotals({ points, roll_up: "merge" } as unknown as Series);
  assert.deepEqual(totals, [{ label: "other labels", value: 2 }, { label: OTHER, value: 9 }]);
});

test("numbers of labels that are not whole have decimal places", () => {
  const series = (format_pattern: string) => ({ format_pattern }) as unknown as Series;
  assert.equal(labelPattern(series("0,0"), [4, 7]), "0,0");
  assert.equal(labelPattern(series("0,0"), [3.7, 7]), "0,0.00");
  assert.equal(labelPattern(series("0.0"), [3.72]), "0.0");
});
