import assert from "node:assert/strict";
import { test } from "node:test";

import { addDays, addYears, bucketName, daysBetween, duration, instant, isDate } from "./dates.ts";

test("days are added across months, leap days and clock changes", () => {
  assert.equal(addDays("2024-02-28", 1), "2024-02-29");
  assert.equal(addDays("2025-12-31", 1), "2026-01-01");
  assert.equal(addDays("2026-03-29", -364), "2025-03-30");
  assert.equal(daysBetween("2026-01-01", "2026-12-31"), 365);
  assert.equal(addYears("2024-02-29", 1), "2025-02-28");
});

test("only dates that exist are dates", () => {
  assert.ok(isDate("2024-02-29"));
  for (const text of ["2025-02-29", "2025-13-01", "2025-1-1", "", "today", "2025-01-01T00:00:00Z"])
    assert.ok(!isDate(text), text);
});

test("a bucket is named by its interval", () => {
  assert.equal(bucketName("2026-11-28", "day", "en-GB"), "Sat, 28 Nov 2026");
  assert.equal(bucketName("2026-11-23", "week", "en-GB"), "week of 23 Nov 2026");
  assert.equal(bucketName("2026-11-01", "month", "en-GB"), "November 2026");
  assert.equal(bucketName("2026-10-01", "quarter", "en-GB"), "Q4 2026");
  assert.equal(bucketName("2026-01-01", "year", "en-GB"), "2026");
});

test("an instant is shown in the reporting zone", () => {
  assert.equal(instant("2026-11-28T23:30:00Z", "Asia/Tokyo", "en-GB"), "29 Nov 2026, 08:30");
  assert.equal(instant("2026-11-28T23:30:00Z", "Not/AZone", "en-GB"), "2026-11-28T23:30:00Z");
});

test("a duration has one unit", () => {
  assert.equal(duration("2026-01-01T00:00:00Z", "2026-01-01T00:00:01.25Z", "en"), "1.3 sec");
  assert.equal(duration("2026-01-01T00:00:00Z", "2026-01-01T00:45:00Z", "en"), "45 min");
  assert.equal(duration("2026-01-01T00:00:02Z", "2026-01-01T00:00:00Z", "en"), "0 sec", "clocks may be set back");
});
