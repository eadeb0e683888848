import assert from "node:assert/strict";
import { test } from "node:test";

import { decimalPlaces, formatDifference, formatNumber, formatPercent, formatTick, formatValue, plural } from "./format.ts";

test("the pattern decides on grouping and decimal places", () => {
  assert.equal(formatNumber(12418, "0,0", "en"), "12,418");
  assert.equal(formatNumber(12418, "0", "en"), "12418");
  assert.equal(formatNumber(81.524482584553, "0.0", "en"), "81.5");
  assert.equal(formatNumber(1234.5, "0,0.00", "en"), "1,234.50");
  assert.equal(decimalPlaces(`0.${"0".repeat(99)}`), 20, "Intl takes no more than 20");
});

test("numbers are written as the reader's locale does", () => {
  assert.equal(formatNumber(12418, "0,0", "de"), "12.418");
  assert.equal(formatValue(81.5, "0.0", "percentage", "de"), "81,5\u202f%");
});

test("a unit is named unless the number says it all", () => {
  assert.equal(formatValue(40, "0,0", "count", "en"), "40");
  assert.equal(formatValue(261.3, "0.0", "seconds", "en"), "261.3\u202fs");
  assert.equal(formatValue(null, "0,0", "count", "en"), "–");
  assert.equal(formatValue(0, "0,0", "count", "en"), "0", "zero is a value");
});

test("a difference has a sign, unless it is nothing when rounded", () => {
  assert.equal(formatDifference(39, "0,0", "en"), "+39");
  assert.equal(formatDifference(-5495, "0,0", "en"), "−5,495");
  assert.equal(formatDifference(-0.04, "0.0", "en"), "±0.0");
  assert.equal(formatPercent(3.04, "en"), "+3.0\u202f%");
  assert.equal(formatPercent(1234.5, "en"), "+1,235\u202f%");
});

test("ticks are short and words follow the number", () => {
  assert.equal(formatTick(12000, "en"), "12K");
  assert.equal(plural(1, "day", undefined, "en"), "1 day");
  assert.equal(plural(3, "day", undefined, "en"), "3 days");
});
