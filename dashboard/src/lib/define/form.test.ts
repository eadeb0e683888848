import assert from "node:assert/strict";
import { test } from "node:test";

import { bodyOf, errorsByField, textsOf } from "./form.ts";

test("a declaration becomes the texts of the form and the same again", () => {
  for (const declaration of [
    { measure: "created", source: "posts", filter: { genre: "jazz" }, display_name: "Jazz", unit: "count", expected: { max: 9 }, dashboard: { group: "Music", headline: true } },
    { measure: "distinct_actors", sources: ["posts", "likes"], window_days: 30 },
    { measure: "ratio", numerator: { measure: "created", source: "posts" }, denominator: "users_total", type: "percentage" },
    { measure: "retention", sources: ["visits"], after_days: 28, window_days: 7, cohort: { source: "accounts", filter: { plan: "free" } } },
    { measure: "growth", sources: ["visits", "posts"], state: "churned", window_days: 7 },
    { measure: "sql", query: "SELECT 1", returns: "value", adds_up: "sum" },
  ] as const) {
    const { body, errors } = bodyOf(declaration.measure, textsOf(declaration), declaration);
    assert.deepEqual([body, errors], [declaration, {}]);
  }
});

test("a value that cannot be sent is reported beside its field", () => {
  const { errors } = bodyOf("breakdown", { source: "posts", top: "ten", filter: "{genre}" });
  assert.deepEqual(Object.keys(errors).sort(), ["column", "filter", "top"]);
});

test("a change of the measure takes nothing along that was of the other one", () => {
  const before = { measure: "ratio", numerator: "a", denominator: "b", type: "percentage", expected: { min: 0 } };
  const { body } = bodyOf("created", { source: "posts" }, before);
  assert.deepEqual(body, { measure: "created", expected: { min: 0 }, source: "posts" });
});

test("an error of the server is shown beside its field", () => {
  const errors = [
    { parameter: "filter.score", detail: "there is no column `score`" },
    { parameter: "source", detail: "`nope` is not declared" },
    { parameter: "", detail: "the platform is away" },
    { parameter: "expected.max", detail: "is to be a number" },
  ];
  assert.deepEqual(errorsByField(errors, "created"), {
    filter: "filter.score: there is no column `score`",
    source: "`nope` is not declared",
    "": "the platform is away expected.max: is to be a number",
  });
});
