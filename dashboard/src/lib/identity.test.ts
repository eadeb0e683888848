import assert from "node:assert/strict";
import { test } from "node:test";

import { oneOfEach } from "./identity.ts";

test("of metrics with one name, the active one is shown", () => {
  const metric = (metric_category: string, metric_type: string, is_active: boolean) => ({ metric_category, metric_type, is_active });
  const all = [
    metric("revenue", "aggregate", false),
    metric("revenue", "count", true),
    metric("refunds", "count", true),
    metric("old", "aggregate", false),
    metric("old", "count", false),
  ];
  const shown = oneOfEach(all).map((one) => `${one.metric_category} ${one.metric_type}`);
  assert.deepEqual(shown, ["revenue count", "refunds count", "old aggregate"]);
});
