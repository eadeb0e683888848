import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Browser } from "playwright-core";

import { accessible, demonstration, fits, launch, open, remove, settled, signIn, withPage, type Site } from "./harness.ts";

describe("signing in", () => {
  let site: Site;
  let browser: Browser;
  before(async () => {
    browser = await launch();
    site = await demonstration({ hasKeys: true });
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });


  test("nothing is shown before signing in, and a wrong key is refused beside its field", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(site.url);
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      assert.ok(!(await page.locator("body").innerText()).includes("Comments"));
      await accessible(page, "the page to sign in");
      await fits(page, "the page to sign in");
      await signIn(page, "dm_wrong");
      await page.locator("[role=alert]", { hasText: /key|credential/ }).waitFor();
      assert.equal((await page.context().cookies()).length, 0);
    }));

  test("a reader sees the record and no control of an admin, which the server would refuse", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(`${site.url}/explore?metrics=posts_total`);
      await signIn(page, site.keys.reader);
      await page.getByRole("heading", { name: "Explore" }).waitFor();
      await settled(page);
      assert.ok(page.url().endsWith("/explore?metrics=posts_total"), "one stays where one wanted to be");
      const [cookie] = await page.context().cookies();
      assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, cookie?.value.includes(site.keys.reader)], [true, "Strict", false]);
      assert.equal(await page.evaluate(() => document.cookie), "");
      assert.equal(await page.getByRole("link", { name: "Operations" }).count(), 0);
      await open(page, `${site.url}/definitions`);
      assert.equal(await page.getByRole("link", { name: "New metric" }).count(), 0);
      await open(page, `${site.url}/definitions/posts_total`);
      assert.equal(await page.getByRole("button", { name: /Backfill|Deactivate/ }).count(), 0);
      await page.goto(`${site.url}/operations`);
      await page.getByText("needs the scope log").waitFor();
      await page.goto(`${site.url}/define`);
      await page.getByText("needs the scope define").waitFor();
      const status = await page.evaluate(async () => {
        const response = await fetch("/api/v1/collections", { method: "POST" });
        return response.status;
      });
      assert.equal(status, 403);
    }));

  test("an admin signs in by keyboard, starts a run and signs out", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(`${site.url}/operations`);
      await signIn(page, site.keys.admin);
      await page.getByRole("button", { name: /^Backfill/ }).click();
      await page.getByText(/done, \d+ records written/).waitFor();
      await page.getByRole("button", { name: "Signed in as admin" }).click();
      await page.getByRole("button", { name: "Sign out", exact: true }).click();
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      assert.equal((await page.context().cookies()).length, 0);
      await page.goBack();
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
    }));

  test("a session ends with the server's sealing key, and the page asks to sign in again", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(site.url);
      await signIn(page, site.keys.reader);
      await settled(page);
      await site.stop();
      await site.start();
      await page.evaluate(() => window.dispatchEvent(new Event("online")));
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await signIn(page, site.keys.reader);
      await page.getByRole("heading", { name: "Activity" }).waitFor();
    }));

  test("another site cannot use the session", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(site.url);
      await signIn(page, site.keys.admin);
      await page.getByRole("button", { name: "Signed in as admin" }).waitFor();
      const [cookie] = await page.context().cookies();
      const response = await fetch(`${site.url}/api/v1/collections`, {
        method: "POST",
        headers: { cookie: `${cookie?.name}=${cookie?.value}`, origin: "https://evil.example" },
      });
      assert.equal(response.status, 403);
    }));

  test("an admin makes a key, which is shown once, and revokes it", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(`${site.url}/operations/keys`);
      await signIn(page, site.keys.admin);
      await page.getByLabel("What the key is for").fill("<b>Reports</b>");
      await page.getByLabel("Role").selectOption("service");
      await page.getByLabel("change definitions and annotate days").uncheck();
      await page.getByRole("button", { name: "Create a key" }).click();
      const shown = page.getByRole("status").filter({ hasText: "shown this once" });
      const made = /dm_[\w.-]+/.exec(await shown.innerText())?.[0] ?? "";
      const asked = (path: string) => fetch(site.url + path, { headers: { apikey: made } });
      assert.deepEqual([(await asked("/api/v1/status")).status, (await asked("/api/v1/sources")).status], [200, 403]);
      await accessible(page, "the page of keys");
      await fits(page, "the page of keys");
      await page.reload();
      await page.getByRole("row", { name: /<b>Reports<\/b>/ }).waitFor();
      assert.ok(!(await page.locator("body").innerText()).includes(made), "the key is shown again");
      await page.getByRole("button", { name: "Revoke… <b>Reports</b>" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Revoke", exact: true }).click();
      await page.getByRole("row", { name: /<b>Reports<\/b>.*revoked/ }).waitFor();
    }));

  test("a reader sees no keys, and asks for none", () =>
    withPage(browser, {}, async (page) => {
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await page.goto(`${site.url}/operations/keys`);
      await signIn(page, site.keys.reader);
      await page.getByText("Only an admin with all scopes").waitFor();
      assert.ok(!asked.includes("/api/v1/keys"), asked.join());
      assert.equal(await page.evaluate(async () => (await fetch("/api/v1/keys")).status), 403);
    }));

  test("signing out everywhere ends the sessions of every browser", () =>
    withPage(browser, {}, async (elsewhere) => {
      await elsewhere.goto(site.url);
      await signIn(elsewhere, site.keys.reader);
      await settled(elsewhere);
      await withPage(browser, {}, async (page) => {
        await page.goto(site.url);
        await signIn(page, site.keys.reader);
        await settled(page);
        await page.getByRole("button", { name: "Signed in as reader" }).click();
        await page.getByRole("button", { name: "Sign out everywhere" }).click();
        await page.getByRole("heading", { name: "Sign in" }).waitFor();
      });
      await elsewhere.evaluate(() => window.dispatchEvent(new Event("online")));
      await elsewhere.getByRole("heading", { name: "Sign in" }).waitFor();
    }));
});
