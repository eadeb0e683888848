import assert from "node:assert/strict";
import { test } from "node:test";

import { addDays, bucketName, clockAt, daysBetween, duration, endOfDay, instant, instantOf, isDate, todayIn } from "./dates.ts";

test("days are added across months, leap days and clock changes", () => {
  assert.equal(addDays("2024-02-28", 1), "2024-02-29");
  assert.equal(addDays("2025-12-31", 1), "2026-01-01");
  assert.equal(addDays("2026-03-29", -364), "2025-03-30");
  assert.equal(daysBetween("2026-01-01", "2026-12-31"), 365);
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

test("today is a day of the reporting zone", () => {
  const evening = new Date("2026-03-01T23:30:00Z");
  assert.deepEqual([todayIn("UTC", evening), todayIn("Europe/Berlin", evening)], ["2026-03-01", "2026-03-02"]);
  assert.equal(todayIn("No/Where", evening), "2026-03-01");
});

test("a day ends when the clocks of its zone say so", () => {
  assert.equal(endOfDay("2026-01-31", "UTC"), "2026-02-01T00:00:00.000Z");
  assert.equal(endOfDay("2026-01-31", "Europe/Berlin"), "2026-01-31T23:00:00.000Z");
  // Clocks are changed on this day, and before the next midnight of UTC.
  assert.equal(endOfDay("2026-03-29", "Europe/Berlin"), "2026-03-29T22:00:00.000Z");
  assert.equal(endOfDay("2026-03-08", "America/Los_Angeles"), "2026-03-09T07:00:00.000Z");
});

test("a time of a day in the reporting zone is an instant, and back", () => {
  for (const [date, time, zone, instant] of [
    ["2026-01-31", "09:15", "UTC", "2026-01-31T09:15:00.000Z"],
    ["2026-01-31", "00:30", "Asia/Tokyo", "2026-01-30T15:30:00.000Z"],
    ["2026-03-29", "03:00", "Europe/Berlin", "2026-03-29T01:00:00.000Z"],
    ["2026-03-29", "01:59", "Europe/Berlin", "2026-03-29T00:59:00.000Z"],
  ] as const) {
    assert.equal(instantOf(date, time, zone), instant);
    assert.deepEqual(clockAt(instant, zone), { date, time });
  }
  assert.equal(instantOf("2026-01-31", "09:15", "No/Where"), "2026-01-31T09:15:00.000Z");
});
