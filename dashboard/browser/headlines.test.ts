/** The overviews of the other demonstrations, whose headlines are of every kind, and the incidents of a long one. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Browser } from "playwright-core";

import { accessible, becomes, demonstration, fits, includes, launch, matches, open, remove, withPage, type Site } from "./harness.ts";

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
      const { definitions } = await site.api<Definitions>("/api/v1/definitions");
      const headlines = definitions.filter((definition) => definition.headline && definition.is_active);
      assert.ok(headlines.some(({ metric_category: category }) => category === "revenue") && headlines.length >= 8);
      await includes(page, () => page.locator("main").innerText(), ...headlines.map(({ display_name: name }) => name));
      await accessible(page, "the overview of a shop");
    }));

  test("its incidents are shown: a failed run, a night without one, an unusual day, a changed definition, annotations", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations`);
      await matches(page, () => page.getByRole("list", { name: "Legend" }).innerText(), /failed[^]*missing/);
      await matches(page, () => page.getByRole("region", { name: "Table of gaps" }).innerText(), /never collected/);
      await page.getByRole("radio", { name: "failed" }).check();
      const runs = page.getByRole("region", { name: "Table of runs" });
      await runs.getByText("✕ failed").first().waitFor();
      await becomes(page, () => runs.getByText("● completed").count(), 0);
      await runs.getByText("Why").first().click();
      await runs.locator("details[open] bdi").first().waitFor();
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
