import assert from "node:assert/strict";
import { test } from "node:test";

import { differences } from "./differences.ts";

test("declarations differ in members that were changed, added and left out", () => {
  const before = { measure: "created", source: "posts", filter: { genre: "jazz" }, unit: "posts" };
  const after = { measure: "created", source: "posts", filter: { genre: ["jazz", "blues"] }, description: "Two genres" };
  assert.deepEqual(differences(before, after), [
    { member: "filter", before: '{"genre":"jazz"}', after: '{"genre":["jazz","blues"]}' },
    { member: "unit", before: "posts", after: undefined },
    { member: "description", before: undefined, after: "Two genres" },
  ]);
  assert.deepEqual(differences(before, { ...before }), []);
});
