import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Browser } from "playwright-core";

import { accessible, demonstration, includes, launch, layoutShift, open, remove, until, withPage, type Site } from "./harness.ts";

const DAYS = 30;
/** The metrics of the demonstration that are counted again. */
const METRICS = 12;
const DEADLINE_MS = 60_000;

interface Recounts {
  recounted: number;
  changed: { metric_category: string; metric_date: string; recorded: number; recounted: number }[];
}

const grouped = (value: number) => value.toLocaleString("en-GB");

describe("recounts of the night", () => {
  let site: Site;
  let browser: Browser;
  let recounts: Recounts;
  before(async () => {
    browser = await launch();
    site = await demonstration({ days: DAYS, missing: 0, sampleDays: DAYS });
    const deadline = Date.now() + DEADLINE_MS;
    do {
      assert.ok(Date.now() < deadline, "the days were not counted again");
      recounts = await site.api<Recounts>("/api/v1/drift/recorded");
    } while (recounts.recounted < DAYS * METRICS);
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  test("their results are beside the record at once, without a layout shift", () =>
    withPage(browser, {}, async (page) => {
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await open(page, site.url);
      const [newest] = recounts.changed
        .filter(({ metric_category: category }) => category === "comments_total")
        .sort((a, b) => b.metric_date.localeCompare(a.metric_date));
      assert.ok(newest && newest.recounted < newest.in_force, "an account was deleted with its comments");
      const section = page.getByRole("region", { name: "Recorded, and counted again" });
      const sentence = `the value in force is ${grouped(newest.in_force)}; the platform's rows now give ${grouped(newest.recounted)}`;
      await includes(page, () => section.innerText(), sentence);
      assert.ok(!asked.includes("/api/v1/drift"), "nothing is counted without being asked for");
      const shift = await layoutShift(page);
      assert.ok(shift < 0.1, `layout shift ${shift}`);
      await accessible(page, "the overview with recounts");
      await page.getByRole("button", { name: "Count again now" }).click();
      await page.getByRole("region", { name: "Comments, counted again" }).waitFor();
    }));

  test("Operations says who collects, and how the figures of health stand beside their targets", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations`);
      const { leader } = await site.api<{ leader: { host: string; process_id: number } }>("/api/v1/schedule");
      await page.getByText(`${leader.host}, process ${leader.process_id}`).waitFor();
      const { runs } = await site.api<{ runs: { last_30_days: { success_rate: number }; success_target: number } }>("/api/v1/health/collection");
      const percent = (share: number) => `${(100 * share).toFixed(share > 0.99 && share < 1 ? 2 : 1)}\u202f%`;
      const row = page.getByRole("row", { name: /^Completed in 30 days/ });
      await until(
        page,
        () => row.getByRole("cell").allInnerTexts(),
        ([value, target]) => {
          assert.ok(value?.includes(percent(runs.last_30_days.success_rate)), value);
          assert.equal(target, percent(runs.success_target));
        },
      );
    }));
});
