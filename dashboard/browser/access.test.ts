import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";

import type { Browser } from "playwright-core";

import { accessible, becomes, demonstration, fits, isSignedIn, launch, open, remove, signIn, signInAs, withPage, type Site } from "./harness.ts";

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
      await signInAs(page, site, "reader", "/explore?metrics=posts_total");
      await page.getByRole("heading", { name: "Explore" }).waitFor();
      assert.ok(page.url().endsWith("/explore?metrics=posts_total"), "one stays where one wanted to be");
      const [cookie] = await page.context().cookies();
      assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, cookie?.value.includes(site.keys.reader)], [true, "Strict", false]);
      assert.equal(await page.evaluate(() => document.cookie), "");
      assert.equal(await page.getByRole("link", { name: "Operations" }).count(), 0);
      await page.goto(`${site.url}/definitions`);
      await isSignedIn(page, "reader");
      await page.getByRole("link", { name: "New posts" }).waitFor();
      assert.equal(await page.getByRole("link", { name: "New metric" }).count(), 0);
      await page.goto(`${site.url}/definitions/posts_total`);
      await isSignedIn(page, "reader");
      await page.getByRole("heading", { name: "The last 30 days" }).waitFor();
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
      await signInAs(page, site, "reader");
      await site.stop();
      await site.start();
      await page.evaluate(() => window.dispatchEvent(new Event("online")));
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await signIn(page, site.keys.reader);
      await page.getByRole("heading", { name: "Activity" }).waitFor();
    }));

  test("another site cannot use the session", () =>
    withPage(browser, {}, async (page) => {
      await signInAs(page, site, "admin");
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

  test("a key that cannot be revoked stays in the dialog with the reason", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(`${site.url}/operations/keys`);
      await signIn(page, site.keys.admin);
      const problem = { type: "urn:daymark:problem:unavailable", title: "Not available", status: 503, detail: "the store cannot be reached" };
      await page.route("**/api/v1/keys/*", (route) =>
        route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify(problem) }),
      );
      await page.getByRole("button", { name: "Revoke… reader" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByRole("button", { name: "Revoke", exact: true }).click();
      await dialog.getByRole("alert").filter({ hasText: "the store cannot be reached" }).waitFor();
      await accessible(page, "the dialog that revokes a key");
      await dialog.getByRole("button", { name: "Cancel" }).click();
      await dialog.waitFor({ state: "hidden" });
      await becomes(page, () => page.getByText("the store cannot be reached").count(), 0, "reasons that are left behind");
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
      await signInAs(elsewhere, site, "reader");
      await withPage(browser, {}, async (page) => {
        await signInAs(page, site, "reader");
        await page.getByRole("button", { name: "Signed in as reader" }).click();
        await page.getByRole("button", { name: "Sign out everywhere" }).click();
        await page.getByRole("heading", { name: "Sign in" }).waitFor();
      });
      await elsewhere.evaluate(() => window.dispatchEvent(new Event("online")));
      await elsewhere.getByRole("heading", { name: "Sign in" }).waitFor();
    }));
});

describe("the first key of a server without authentication", () => {
  let site: Site;
  let browser: Browser;
  before(async () => {
    browser = await launch();
    site = await demonstration({ days: 14, missing: 0 });
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  test("is shown until it is saved, and signs its maker in", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations/keys`);
      await page.getByLabel("What the key is for").fill("Mine");
      await becomes(page, () => page.getByLabel("Role").inputValue(), "admin", "a reader's key would lock everyone out of this page");
      await page.getByRole("button", { name: "Create a key" }).click();
      await page.getByRole("button", { name: "Signed in as admin" }).waitFor();
      await page.getByRole("row", { name: /^Mine/ }).waitFor();
      const shown = page.getByRole("status").filter({ hasText: "shown this once" });
      const made = /dm_[\w.-]+/.exec(await shown.innerText())?.[0] ?? "";
      const asked = async (headers: Record<string, string>) => (await fetch(`${site.url}/api/v1/status`, { headers })).status;
      assert.deepEqual([await asked({}), await asked({ apikey: made })], [401, 200]);
      await page.getByRole("button", { name: "I have saved the key" }).click();
      await shown.waitFor({ state: "hidden" });
      // The control that had the focus is gone.
      await becomes(page, () => page.evaluate(() => document.activeElement?.tagName), "INPUT");
    }));
});

describe("a server that everyone may read, and that knows the users of the platform", () => {
  const SECRET = "a secret of at least thirty-two bytes";
  let site: Site;
  let browser: Browser;
  before(async () => {
    browser = await launch();
    const settings = { DAYMARK_ACCESS_PUBLIC_READ: "true", DAYMARK_ACCESS_JWT_SECRET: SECRET };
    site = await demonstration({ days: 14, missing: 0, hasKeys: true, settings });
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  /** A token of a user of the platform, which Daymark takes for an admin. */
  function token(): string {
    const part = (content: object) => Buffer.from(JSON.stringify(content)).toString("base64url");
    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: "7c9e6679-7425-40de-944b-e07fc1f90ae7", role: "authenticated", aud: "authenticated", iat: now, exp: now + 3600 };
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ ...claims, app_metadata: { daymark_role: "admin" } })}`;
    return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  }

  test("a user signs in with a token of the platform", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      await page.getByRole("button", { name: "Sign in" }).click();
      await signIn(page, token());
      await page.getByRole("button", { name: "Signed in as admin" }).waitFor();
      await page.getByRole("link", { name: "Operations" }).click();
      await page.getByRole("heading", { name: "A year of days" }).waitFor();
      const [cookie] = await page.context().cookies();
      assert.ok(cookie?.httpOnly && !cookie.value.includes("eyJ"));
    }));

  test("a reader who was about to sign in reads on without it", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("button", { name: "Read without signing in" }).click();
      await page.getByRole("heading", { name: "Activity" }).waitFor();
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("link", { name: "Metrics", exact: true }).click();
      await page.getByRole("heading", { name: "Metrics" }).waitFor();
    }));

  test("a user whose key is revoked reads on as everyone does", () =>
    withPage(browser, {}, async (page) => {
      const key = /dm_[\w.-]+/.exec(site.run("--format", "json", "keys", "create", "--name", "short", "--role", "reader"))?.[0] ?? "";
      await open(page, site.url);
      await page.getByRole("button", { name: "Sign in" }).click();
      await signIn(page, key);
      await page.getByRole("button", { name: "Signed in as reader" }).waitFor();
      site.run("keys", "revoke", "short");
      // A server accepts a revoked key for up to ten seconds more.
      const deadline = Date.now() + 30_000;
      while ((await fetch(`${site.url}/api/v1/session`, { headers: { apikey: key } })).ok) assert.ok(Date.now() < deadline, "the key is still accepted");
      await page.evaluate(() => window.dispatchEvent(new Event("online")));
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      await page.getByRole("heading", { name: "Activity" }).waitFor();
    }));

  test("a user who signed in on another page is signed in on this one, too", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(site.url);
      const another = await page.context().newPage();
      await open(another, site.url);
      await another.getByRole("button", { name: "Sign in" }).click();
      await signIn(another, site.keys.admin);
      await another.getByRole("button", { name: "Signed in as admin" }).waitFor();
      await page.evaluate(() => window.dispatchEvent(new Event("online")));
      await page.getByRole("button", { name: "Signed in as admin" }).waitFor();
    }));
});
