/** What the pages show before there is anything to show, and at addresses of what does not exist. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import type { Browser } from "playwright-core";

import { accessible, fits, launch, matches, open, remove, serve, withPage, type Site } from "./harness.ts";

const PAGES = ["/", "/explore", "/definitions", "/operations", "/operations/corrections", "/operations/alerts", "/operations/drift"];
const TABLE = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, created_at TEXT NOT NULL)")
db.commit()`;
const HEAD = `preset = "none"\n[platform]\nurl = "sqlite:platform.db"\n[store]\nurl = "sqlite:daymark.db"\n[sources.things]\ntable = "things"\ntime_column = "created_at"\n`;
const METRICS = `[metrics.things]\nmeasure = "created"\nsource = "things"\n[metrics.things_total]\nmeasure = "existing"\nsource = "things"\n`;

/** Serves a platform whose table is empty, with nothing recorded of it. */
async function unrecorded(metrics: string, commands: string[]): Promise<Site> {
  const home = join(mkdtempSync(join(tmpdir(), "daymark-states-")), "site");
  mkdirSync(home);
  execFileSync("python3", ["-c", TABLE, join(home, "platform.db")]);
  writeFileSync(join(home, "daymark.toml"), HEAD + metrics);
  return await serve(home, { prepare: commands.map((command) => [command]), hasSchedule: false });
}

describe("before there is anything", () => {
  let [undefinedSite, blankSite]: Site[] = [];
  let browser: Browser;
  before(async () => {
    browser = await launch();
    undefinedSite = await unrecorded("", ["migrate"]);
    blankSite = await unrecorded(METRICS, ["migrate", "apply"]);
  });
  after(async () => {
    await browser?.close();
    for (const site of [undefinedSite, blankSite]) if (site) await remove(site);
  });

  test("without a metric, each page says what to do, and none waits for an answer", () =>
    withPage(browser, { viewport: { width: 320, height: 640 } }, async (page) => {
      for (const path of PAGES) {
        await open(page, undefinedSite?.url + path);
        await page.locator("header", { hasText: "Nothing is recorded yet" }).waitFor();
        await accessible(page, `${path} without a metric`);
        await fits(page, `${path} without a metric`);
        assert.equal(await page.getByText("cannot be shown").count(), 0, path);
      }
      await open(page, undefinedSite?.url ?? "");
      await matches(page, () => page.locator("main").innerText(), /No metric is defined yet[^]*daymark apply/);
    }));

  test("without a record, the overview says what makes one", () =>
    withPage(browser, {}, async (page) => {
      for (const path of PAGES) {
        await open(page, blankSite?.url + path);
        await matches(page, () => page.locator("header").innerText(), /Nothing is recorded yet[^]*nothing was collected yet/);
        await accessible(page, `${path} without a record`);
      }
      await open(page, blankSite?.url ?? "");
      const main = page.locator("main");
      await matches(page, () => main.innerText(), /Nothing is recorded yet\.[^]*daymark collect/);
      assert.equal(await page.getByRole("button", { name: "Count again now" }).count(), 0);
      // The first collection appears by itself.
      blankSite?.run("collect");
      await main.getByText("Nothing is recorded yet.").waitFor({ state: "hidden" });
    }));

  test("a metric of an old address is left out, and the others are shown", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${blankSite?.url}/explore?metrics=gone%3Cb%3E,things`);
      await page.getByText("No metric is called gone<b>: it is left out.").waitFor();
      await page.getByRole("application", { name: /^Things/ }).waitFor();
    }));

  test("an unknown path is a page that says so", () =>
    withPage(browser, {}, async (page) => {
      const answer = await page.goto(`${blankSite?.url}/operation`);
      assert.equal(answer?.status(), 404);
      await page.getByRole("heading", { name: "There is no such page" }).waitFor();
      await accessible(page, "an unknown path");
      await page.getByRole("link", { name: "To the overview" }).click();
      await page.getByRole("heading", { name: "Activity" }).waitFor();
    }));
});
