import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";

import type { Browser, Page } from "playwright-core";

import { accessible, demonstration, fits, launch, open, program, remove, settled, withPage, type Site } from "./harness.ts";

describe("signing in", () => {
  let site: Site;
  let browser: Browser;
  const keys = { reader: "", admin: "" };
  before(async () => {
    [site, browser] = await Promise.all([demonstration(), launch()]);
    for (const role of ["reader", "admin"] as const) {
      const config = ["--config", `${site.directory}/daymark.toml`];
      const said = execFileSync(program, [...config, "--format", "json", "keys", "create", "--name", role, "--role", role]);
      keys[role] = /dm_[\w.-]+/.exec(said.toString())?.[0] ?? "";
      assert.ok(keys[role], said.toString());
    }
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  async function signIn(page: Page, key: string): Promise<void> {
    await page.getByLabel("API key or token").fill(key);
    await page.keyboard.press("Enter");
  }

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
      await signIn(page, keys.reader);
      await page.getByRole("heading", { name: "Explore" }).waitFor();
      await settled(page);
      assert.ok(page.url().endsWith("/explore?metrics=posts_total"), "one stays where one wanted to be");
      const [cookie] = await page.context().cookies();
      assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, cookie?.value.includes(keys.reader)], [true, "Strict", false]);
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
      await signIn(page, keys.admin);
      await page.getByRole("button", { name: /^Backfill/ }).click();
      await page.getByText(/done, \d+ records written/).waitFor();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      assert.equal((await page.context().cookies()).length, 0);
      await page.goBack();
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
    }));

  test("a session ends with the server's sealing key, and the page asks to sign in again", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(site.url);
      await signIn(page, keys.reader);
      await settled(page);
      await site.stop();
      await site.start();
      await page.evaluate(() => window.dispatchEvent(new Event("online")));
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await signIn(page, keys.reader);
      await page.getByRole("heading", { name: "Activity" }).waitFor();
    }));

  test("another site cannot use the session", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(site.url);
      await signIn(page, keys.admin);
      await settled(page);
      const [cookie] = await page.context().cookies();
      const response = await fetch(`${site.url}/api/v1/collections`, {
        method: "POST",
        headers: { cookie: `${cookie?.name}=${cookie?.value}`, origin: "https://evil.example" },
      });
      assert.equal(response.status, 403);
    }));
});
