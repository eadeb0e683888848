/** What the page does with the events of the server, and while the server is away or refuses to answer. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Browser, Page } from "playwright-core";

import { becomes, day, demonstration, launch, open, remove, settled, tell, withPage, withToldEvents, type Site } from "./harness.ts";

const job = (more: object) => ({
  id: "0198b7c0-0000-7000-8000-000000000001",
  kind: "backfill",
  status: "running",
  trigger: "api",
  actor: "key:night",
  created_at: "2026-01-01T00:00:00Z",
  started_at: "2026-01-01T00:00:00Z",
  finished_at: null,
  days_total: 10,
  days_done: 3,
  recorded: null,
  failed: [],
  error: null,
  ...more,
});
const problem = (status: number, type: string, detail: string) => ({
  status,
  contentType: "application/problem+json",
  body: JSON.stringify({ type: `urn:daymark:problem:${type}`, title: detail, status, detail }),
});

/** Hides or shows the page, as another tab in front of it does. */
async function hide(page: Page, hidden: boolean): Promise<void> {
  // As a text, because functions are compiled with helpers that the page does not have.
  await page.evaluate(`
    Object.defineProperty(document, "hidden", { configurable: true, get: () => ${hidden} });
    document.dispatchEvent(new Event("visibilitychange"));`);
}

describe("while the page is open", () => {
  let site: Site;
  let browser: Browser;
  before(async () => {
    browser = await launch();
    site = await demonstration({ days: 60, missing: 3 });
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  test("the progress of a run that another user started is shown, and ends with it", () =>
    withPage(browser, {}, async (page) => {
      await withToldEvents(page);
      await open(page, `${site.url}/operations`);
      const working = page.getByText(/A backfill by key:night/);
      await tell(page, "job", job({}));
      await page.getByText(/3 of 10 days/).waitFor();
      await tell(page, "job", job({ days_done: 7 }));
      await page.getByText(/7 of 10 days/).waitFor();
      await tell(page, "job", job({ days_done: 10, status: "completed" }));
      await working.waitFor({ state: "hidden" });
    }));

  test("a run that ends while the page is hidden is not shown as running", () =>
    withPage(browser, {}, async (page) => {
      await withToldEvents(page);
      await open(page, `${site.url}/operations`);
      const working = page.getByText(/A backfill by key:night/);
      await tell(page, "job", job({}));
      await working.waitFor();
      await hide(page, true);
      await hide(page, false);
      await working.waitFor({ state: "hidden" });
    }));

  test("a run that is under way is followed while the server is away, and blocks no button afterwards", () =>
    withPage(browser, {}, async (page) => {
      let looks = 0;
      await page.route("**/api/v1/backfills", (route) => route.fulfill({ status: 202, json: job({}) }));
      await page.route("**/api/v1/jobs/*", (route) => {
        looks++;
        if (looks === 1) return route.abort();
        if (looks === 2) return route.fulfill(problem(503, "unavailable", "the store cannot be reached"));
        if (looks === 3) return route.fulfill({ json: job({ days_done: 9 }) });
        return route.fulfill({ json: job({ status: "completed", days_done: 10, recorded: 120 }) });
      });
      await open(page, `${site.url}/operations`);
      const button = page.getByRole("button", { name: /^Backfill/ }).first();
      await button.click();
      await page.getByText("the store cannot be reached The page keeps requesting").waitFor();
      await becomes(page, () => button.isDisabled(), true);
      await page.getByText(/: 9 of 10 days/).waitFor();
      await page.getByText(/: done, 120 records written\./).waitFor();
      await becomes(page, () => button.isEnabled(), true);
    }));

  test("changes throughout a minute leave most of the requests a minute to the user", () =>
    withPage(browser, {}, async (page) => {
      await page.clock.install();
      await withToldEvents(page);
      let [asked, underWay] = [0, 0];
      page.on("request", (request) => {
        underWay++;
        if (request.url().includes("/api/")) asked++;
      });
      for (const end of ["requestfinished", "requestfailed"] as const) page.on(end as "requestfinished", () => underWay--);
      await open(page, site.url);
      await page.waitForLoadState("networkidle");
      for (let second = 0; second < 60; second++) {
        await tell(page, "changed", { last_finished: day(1) });
        await page.clock.runFor(1000);
        while (underWay > 0) await page.evaluate(() => Promise.resolve());
      }
      assert.ok(asked >= 20, `${asked} requests: the page shows what changes`);
      assert.ok(asked <= 80, `${asked} requests in a minute`);
    }));

  test("a page that is over the rate limit says so, and requests again after the pause that the server sets", () =>
    withPage(browser, {}, async (page) => {
      await page.clock.install();
      await withToldEvents(page);
      await open(page, site.url);
      const refused = { ...problem(429, "too-many-requests", "more than 100 requests in a minute"), headers: { "retry-after": "20" } };
      let asked = 0;
      await page.route("**/api/v1/**", (route) => {
        asked++;
        return route.fulfill(refused);
      });
      await page.evaluate(() => window.dispatchEvent(new Event("online")));
      await page.getByText(/last good answer: more than 100 requests in a minute/).waitFor();
      assert.ok((await page.locator("article .value").count()) > 0, "what was shown stays");
      await page.waitForLoadState("networkidle");
      const before = asked;
      await page.clock.runFor(15_000);
      assert.equal(asked, before, "a request during the pause");
      await page.unroute("**/api/v1/**");
      await page.clock.runFor(40_000);
      await page.getByText(/last good answer/).waitFor({ state: "hidden" });
    }));

  test("a failed answer is reported neither as a missing record nor as an unreachable server", () =>
    withPage(browser, {}, async (page) => {
      // As after the way back, the page takes no answers from its own HTML.
      await page.addInitScript(() => (performance.getEntriesByType = () => [{ type: "back_forward" } as never]));
      for (const path of ["latest", "sources"])
        await page.route(`**/api/v1/${path}`, (route) => route.fulfill(problem(503, "unavailable", "the platform cannot be read")));
      await page.goto(`${site.url}/define`);
      await page.getByText("What the platform has cannot be shown.").waitFor();
      await page.getByText("the server does not tell up to which day there are values: the platform cannot be read").waitFor();
      assert.equal(await page.getByText("Nothing is recorded yet").count(), 0);
      assert.equal(await page.getByText("The server cannot be reached since").count(), 0);
    }));

  test("an error of earlier runs is shown, and each run once", () =>
    withPage(browser, {}, async (page) => {
      // A page of the log is made short, so that there are earlier runs.
      let isAway = true;
      await page.route("**/api/v1/runs?*", (route) => {
        const url = new URL(route.request().url());
        url.searchParams.set("limit", "5");
        if (isAway && url.searchParams.has("cursor")) return route.fulfill(problem(503, "unavailable", "the store cannot be reached"));
        return route.continue({ url: url.href });
      });
      await open(page, `${site.url}/operations`);
      const more = page.getByRole("button", { name: "Show earlier runs" });
      await more.click();
      await page.getByRole("alert").filter({ hasText: "the store cannot be reached" }).waitFor();
      isAway = false;
      await more.click();
      const rows = page.getByRole("region", { name: "Table of runs" }).locator("tbody tr");
      await rows.nth(9).waitFor();
      // A new run moves the first page on, and loses none of those that were read.
      site.run("collect", "--date", day(3));
      await becomes(page, () => rows.count(), 11);
    }));

  test("the page recovers by itself when the server is back", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      await site.stop();
      await page.evaluate(() => window.dispatchEvent(new Event("online")));
      const banner = page.getByText("The server cannot be reached since");
      await banner.waitFor();
      await site.start();
      await banner.waitFor({ state: "hidden" });
    }));
});

describe("with the requests a minute that a server allows by default", () => {
  let site: Site;
  let browser: Browser;
  before(async () => {
    browser = await launch();
    site = await demonstration({ days: 60, missing: 20, settings: { DAYMARK_ACCESS_RATE_LIMIT_PER_MINUTE: "100" } });
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  test("a user looks at each page and fills a gap without being refused", () =>
    withPage(browser, {}, async (page) => {
      const refused: string[] = [];
      page.on("response", (response) => {
        if (response.status() === 429) refused.push(response.url());
      });
      await open(page, site.url);
      await page.getByRole("link", { name: "Metrics", exact: true }).click();
      await page.getByRole("link", { name: "New posts" }).click();
      await page.getByRole("heading", { name: "The last 30 days" }).waitFor();
      await page.getByRole("link", { name: "Explore", exact: true }).click();
      await page.getByRole("heading", { name: "Explore" }).waitFor();
      await page.getByRole("link", { name: "Operations" }).click();
      await page.getByRole("button", { name: /^Backfill/ }).click();
      await page.getByText(/done, \d+ records written/).waitFor();
      await page.getByRole("link", { name: "Overview", exact: true }).click();
      await page.getByRole("heading", { name: "Activity" }).waitFor();
      await settled(page);
      assert.deepEqual(refused, []);
    }));
});
