/** The flows that depend on the store, with each of them: roles, changes, a server that is slow, fails, or records meanwhile. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Browser, Page } from "playwright-core";

import { day, demonstration, launch, open, remove, settled, signIn, withPage, type Site } from "./harness.ts";

const STORES = [
  { name: "SQLite", storeUrl: undefined },
  { name: "PostgreSQL", storeUrl: process.env.DAYMARK_TEST_STORE },
];

interface Latest {
  last_finished: string;
  metrics: { metric_category: string; value: number; metric_date: string }[];
}

for (const { name, storeUrl } of STORES)
  describe(`with a store on ${name}`, () => {
    let site: Site;
    let browser: Browser;
    before(async () => {
      assert.ok(name === "SQLite" || storeUrl, "DAYMARK_TEST_STORE is to be the URL of an empty database");
      browser = await launch();
      site = await demonstration({ days: 60, missing: 2, storeUrl, hasKeys: true });
    });
    after(async () => {
      await browser?.close();
      if (site) await remove(site);
    });

    async function signedIn(page: Page, role: keyof Site["keys"], path = "/"): Promise<void> {
      await page.goto(site.url + path);
      await signIn(page, site.keys[role]);
      await page.getByRole("button", { name: `Signed in as ${role}` }).waitFor();
      await settled(page);
    }
    async function api<T>(path: string, init: RequestInit = {}): Promise<T> {
      const headers = { apikey: site.keys.admin, "content-type": "application/json" };
      const response = await fetch(site.url + path, { ...init, headers });
      assert.ok(response.ok, `${path}: ${response.status} ${response.statusText}`);
      return (await response.json()) as T;
    }

    test("the page shows what the API says and the store holds", () =>
      withPage(browser, {}, async (page) => {
        await signedIn(page, "reader");
        const latest = await api<Latest>("/api/v1/latest");
        const users = latest.metrics.find((metric) => metric.metric_category === "users_total");
        const csv = site.run("export", "--format", "csv", "--metric", "users_total", "--from", day(3), "--to", day(3));
        const value = users?.value ?? 0;
        assert.ok(csv.includes(`,${value}`), csv);
        assert.equal(await page.locator("article .value").first().innerText(), value.toLocaleString("en-GB"));
      }));

    test("a reader has no control of an admin, and the server refuses what they do", () =>
      withPage(browser, {}, async (page) => {
        await signedIn(page, "reader", "/explore?metrics=posts_created");
        assert.equal(await page.getByRole("button", { name: "Annotate a day…" }).count(), 0);
        assert.equal(await page.getByRole("link", { name: "Operations" }).count(), 0);
        const asked = ["/api/v1/annotations", "/api/v1/previews", "/api/v1/keys", "/api/v1/alerts/silences", "/api/v1/backfills"];
        const refused = await page.evaluate(
          (paths) => Promise.all(paths.map(async (path) => (await fetch(path, { method: "POST", body: "{}", headers: { "content-type": "application/json" } })).status)),
          asked,
        );
        assert.deepEqual(refused, asked.map(() => 403));
      }));

    test("a collection by another process appears while the page is open", () =>
      withPage(browser, {}, async (page) => {
        await signedIn(page, "reader");
        await page.locator(".as-of", { hasText: "the last finished day is" }).waitFor();
        site.run("collect");
        await page.locator(".as-of", { hasNotText: "the last finished day is" }).waitFor();
      }));

    test("an admin annotates and silences, and both are in the store", () =>
      withPage(browser, {}, async (page) => {
        await signedIn(page, "admin", "/explore?metrics=posts_created&days=30");
        await page.getByRole("button", { name: "Annotate a day…" }).click();
        await page.getByLabel(/^What happened/).fill("Release 2.1");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByRole("listitem").filter({ hasText: "Release 2.1" }).waitFor();
        const { annotations } = await api<{ annotations: { text: string; created_by: string }[] }>("/api/v1/annotations");
        assert.deepEqual(annotations.map(({ text }) => text), ["Release 2.1"]);
        assert.match(annotations[0]?.created_by ?? "", /^key:/);
        await open(page, `${site.url}/operations/alerts`);
        await page.getByRole("button", { name: "Silence alerts…" }).click();
        await page.getByLabel(/^Reason/).fill("moving");
        await page.getByRole("dialog").getByRole("button", { name: "Silence", exact: true }).click();
        await page.getByRole("row", { name: /moving/ }).waitFor();
        assert.ok(site.run("alerts").includes("moving"));
      }));

    test("while the API is slow, a skeleton stands where its answer will be", () =>
      withPage(browser, {}, async (page) => {
        await signedIn(page, "reader");
        let answer = () => {};
        const held = new Promise<void>((resolve) => (answer = resolve));
        await page.route("**/api/v1/metrics?*", async (route) => {
          await held;
          await route.continue();
        });
        await page.goto(`${site.url}/explore?metrics=comments_created&days=7`);
        await page.locator(".panels .skeleton").waitFor();
        answer();
        await page.getByRole("application", { name: /^New comments/ }).waitFor();
      }));

    test("an API that fails is told of with what to do, and the rest of the page stays", () =>
      withPage(browser, {}, async (page) => {
        await signedIn(page, "reader");
        const problem = { type: "urn:daymark:problem:internal", title: "The server failed", status: 500, detail: "its log has the reason" };
        await page.route("**/api/v1/metrics?*", (route) =>
          route.fulfill({ status: 500, contentType: "application/problem+json", body: JSON.stringify(problem) }),
        );
        await page.goto(`${site.url}/explore?metrics=likes_total&days=7`);
        const alert = page.getByRole("alert").filter({ hasText: "cannot be shown" });
        await alert.waitFor();
        await page.unroute("**/api/v1/metrics?*");
        await alert.getByRole("button", { name: "Try again" }).click();
        await page.getByRole("application", { name: /^Likes/ }).waitFor();
      }));

    test("signing out ends the session on the server, too", () =>
      withPage(browser, {}, async (page) => {
        await signedIn(page, "admin");
        const [cookie] = await page.context().cookies();
        await page.getByRole("button", { name: "Signed in as admin" }).click();
        await page.getByRole("button", { name: "Sign out everywhere" }).click();
        await page.getByRole("heading", { name: "Sign in" }).waitFor();
        const stolen = await fetch(`${site.url}/api/v1/latest`, { headers: { cookie: `${cookie?.name}=${cookie?.value}` } });
        assert.equal(stolen.status, 401);
      }));
  });
