/** The overviews of the other demonstrations, whose headlines are of every kind, and the incidents of a long one. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Browser } from "playwright-core";

import { accessible, demonstration, fits, launch, open, remove, withPage, type Site } from "./harness.ts";

interface Definitions {
  definitions: { metric_category: string; display_name: string; headline: boolean; is_active: boolean }[];
}

describe("a long demonstration of a shop", () => {
  let site: Site;
  let browser: Browser;
  before(async () => {
    browser = await launch();
    // Shorter ones have no incidents.
    site = await demonstration({ preset: "shop", days: 310, missing: 0 });
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  test("every headline is on the overview", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      await page.waitForLoadState("networkidle");
      const { definitions } = await site.api<Definitions>("/api/v1/definitions");
      const shown = await page.locator("main").innerText();
      const headlines = definitions.filter((definition) => definition.headline && definition.is_active);
      assert.ok(headlines.some(({ metric_category: category }) => category === "revenue") && headlines.length >= 8);
      assert.deepEqual(headlines.filter(({ display_name: name }) => !shown.includes(name)), []);
      await accessible(page, "the overview of a shop");
    }));

  test("its incidents are shown: a failed run, a night without one, an unusual day, a changed definition, annotations", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations`);
      const legend = await page.getByRole("list", { name: "Legend" }).innerText();
      assert.match(legend, /failed[^]*missing/);
      const gaps = await page.getByRole("region", { name: "Table of gaps" }).innerText();
      assert.match(gaps, /never collected/);
      await page.getByRole("radio", { name: "failed" }).check();
      await page.getByRole("region", { name: "Table of runs" }).getByText("Why").first().click();
      assert.match(await page.getByRole("region", { name: "Table of runs" }).innerText(), /✕ failed/);
      const { definitions } = await site.api<{ definitions: { metric_category: string; version: number }[] }>("/api/v1/definitions");
      const changed = definitions.find(({ version }) => version > 1) ?? assert.fail("no definition was changed");
      await open(page, `${site.url}/explore?metrics=${changed.metric_category}&days=365`);
      await page.locator("figure .change.flag").first().waitFor();
      await page.locator("figure .note.head").first().waitFor();
      await open(page, site.url);
      await page.getByRole("region", { name: "Unusual in the last 7 days" }).getByRole("listitem").first().waitFor();
    }));

  test("its overview fits a phone", () =>
    withPage(browser, { viewport: { width: 320, height: 640 } }, async (page) => {
      await open(page, site.url);
      await fits(page, "the overview of a shop");
    }));
});
