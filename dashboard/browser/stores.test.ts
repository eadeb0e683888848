/** The flows that depend on the store, with each of them: roles, changes, a server that is slow, fails, or records meanwhile. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Browser, Page } from "playwright-core";

import {
  accessible, becomes, day, demonstration, fits, isSignedIn, launch, matches, remove, settled, showTable, signInAs, type Site, until, withPage,
} from "./harness.ts";

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

    async function open(page: Page, role: keyof Site["keys"], path: string): Promise<void> {
      await page.goto(site.url + path);
      await isSignedIn(page, role);
    }
    async function api<T>(path: string, init: RequestInit = {}): Promise<T> {
      const headers = { apikey: site.keys.admin, "content-type": "application/json" };
      const response = await fetch(site.url + path, { ...init, headers });
      assert.ok(response.ok, `${path}: ${response.status} ${response.statusText}`);
      return (await response.json()) as T;
    }

    test("the page shows what the API says and the store holds", () =>
      withPage(browser, {}, async (page) => {
        await signInAs(page, site, "reader");
        const latest = await api<Latest>("/api/v1/latest");
        const users = latest.metrics.find((metric) => metric.metric_category === "users_total");
        const csv = site.run("export", "--format", "csv", "--metric", "users_total", "--from", day(3), "--to", day(3));
        const value = users?.value ?? 0;
        assert.ok(csv.includes(`,${value}`), csv);
        await becomes(page, () => page.locator("article .value").first().innerText(), value.toLocaleString("en-GB"));
      }));

    test("a reader has no control of an admin, and the server refuses what they do", () =>
      withPage(browser, {}, async (page) => {
        await signInAs(page, site, "reader", "/explore?metrics=posts_created");
        await page.getByRole("heading", { name: "Annotations" }).waitFor();
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
        await signInAs(page, site, "reader");
        await page.locator(".as-of", { hasText: "the last finished day is" }).waitFor();
        site.run("collect");
        await page.locator(".as-of", { hasNotText: "the last finished day is" }).waitFor();
      }));

    test("an admin annotates and silences, and both are in the store", () =>
      withPage(browser, {}, async (page) => {
        await signInAs(page, site, "admin", "/explore?metrics=posts_created&days=30");
        await page.getByRole("button", { name: "Annotate a day…" }).click();
        await page.getByLabel(/^What happened/).fill("Release 2.1");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByRole("listitem").filter({ hasText: "Release 2.1" }).waitFor();
        const { annotations } = await api<{ annotations: { text: string; created_by: string }[] }>("/api/v1/annotations");
        assert.deepEqual(annotations.map(({ text }) => text), ["Release 2.1"]);
        assert.match(annotations[0]?.created_by ?? "", /^key:/);
        await open(page, "admin", "/operations/alerts");
        await page.getByRole("button", { name: "Silence alerts…" }).click();
        await page.getByLabel(/^Reason/).fill("moving");
        await page.getByRole("dialog").getByRole("button", { name: "Silence", exact: true }).click();
        await page.getByRole("row", { name: /moving/ }).waitFor();
        assert.ok(site.run("alerts").includes("moving"));
      }));

    /** Moves the cursor of the chart of new posts, of 30 days, to a day, and waits until what is spoken of it matches. */
    async function spokenOf(page: Page, date: string, pattern: RegExp): Promise<RegExpExecArray> {
      const chart = page.getByRole("application", { name: /^New posts/ });
      await chart.focus();
      await page.keyboard.press("Home");
      for (let at = day(30); at < date; at = new Date(Date.parse(at) + 86_400_000).toISOString().slice(0, 10)) await page.keyboard.press("ArrowRight");
      const spoken = await until(
        page,
        () => page.locator("figure", { has: chart }).locator("[aria-live]").innerText(),
        (text) => assert.match(text, pattern),
      );
      return pattern.exec(spoken) ?? assert.fail(spoken);
    }
    interface Corrections {
      corrections: { metric_date: string; value: number | null; recorded_value: number; reason: string; author: string; is_in_force: boolean }[];
    }
    const POSTS = "/explore?metrics=posts_created&days=30";
    const REASON = "<b>spam</b> was counted";

    test("an admin corrects a day by keyboard, sees the difference first, and takes it back", () =>
      withPage(browser, {}, async (page) => {
        const date = day(12);
        const before = new Date().toISOString();
        await signInAs(page, site, "admin", POSTS);
        const [, recorded] = await spokenOf(page, date, /New posts (\d+)/);
        await page.keyboard.press("Enter");
        const dialog = page.getByRole("dialog");
        await dialog.getByLabel("The right value").focus();
        await page.keyboard.type("7");
        await page.keyboard.press("Tab");
        await page.keyboard.type(REASON);
        await page.keyboard.press("Enter");
        await dialog.getByText(`${recorded} becomes 7; ${recorded} stays recorded.`).waitFor();
        await accessible(page, "the form of a correction");
        assert.deepEqual((await api<Corrections>("/api/v1/corrections")).corrections, [], "the difference is shown before anything is written");
        await page.keyboard.press("Tab");
        await page.keyboard.press("Tab");
        await page.keyboard.press("Enter");
        await dialog.getByText("Revision 1 is written.").waitFor();
        const { corrections } = await api<Corrections>("/api/v1/corrections");
        const [made] = corrections;
        assert.deepEqual([made?.metric_date, made?.value, String(made?.recorded_value), made?.reason], [date, 7, recorded, REASON]);
        assert.ok(site.run("corrections", "--format", "json").includes("was counted"));
        await page.keyboard.press("Escape");
        await page.locator("figure .corrected .diamond").waitFor();
        await spokenOf(page, date, new RegExp(`New posts 7, corrected from ${recorded} by key:\\S+: ${REASON}`));
        await accessible(page, "a chart with a correction");
        await showTable(page, "New posts");
        await page.getByRole("cell", { name: `7 corrected from ${recorded}` }).waitFor();
        // Without corrections, and as of before the correction, the recorded value is shown.
        for (const look of ["values=recorded", `as_of=${before}`]) {
          await open(page, "admin", `${POSTS}&${look}`);
          await spokenOf(page, date, new RegExp(`New posts ${recorded}(\\.|, reconstructed)`));
        }
        await page.getByRole("radio", { name: "as recorded" }).check();
        await page.waitForURL(/values=recorded/);

        await page.getByRole("link", { name: "Operations" }).click();
        await page.getByRole("link", { name: "Corrections", exact: true }).click();
        const row = page.getByRole("row", { name: REASON });
        await row.waitFor();
        await accessible(page, "the list of corrections");
        await row.getByRole("button").click();
        await dialog.getByRole("button", { name: "Take back… revision 1" }).click();
        await dialog.getByLabel(/^Reason/).fill("of another day");
        await dialog.getByRole("button", { name: "Show the difference" }).click();
        await dialog.getByText(`7 becomes ${recorded}`).waitFor();
        await dialog.getByRole("button", { name: "Take it back", exact: true }).click();
        await dialog.getByText("Revision 2 is written.").waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("row", { name: /revision 1 is taken back/ }).waitFor();
        await page.getByRole("radio", { name: "in force" }).check();
        await page.getByText("No correction matches this filter.").waitFor();
      }));

    test("a day and a time say as of when, and the page shows what the API knew then", () =>
      withPage(browser, {}, async (page) => {
        const [from, to] = [day(30), day(1)];
        await signInAs(page, site, "admin", `/explore?metrics=posts_created&from=${from}&to=${to}&as=table`);
        /** Compares the table with the API, cell by cell, and returns how many days have a value. */
        const compared = async (asOf: string): Promise<number> => {
          await settled(page);
          const query = `category=posts_created&from=${from}&to=${to}&as_of=${asOf}`;
          const { series } = await api<{ series: { points: { from: string; value: number | null }[] }[] }>(`/api/v1/metrics?${query}`);
          const values = (series[0]?.points ?? []).map(({ value }) => (value === null ? "–" : value.toLocaleString("en-GB")));
          const cells = page.locator(".panels tbody td");
          await becomes(page, () => cells.evaluateAll((cells) => cells.map((cell) => cell.firstChild?.textContent?.trim() ?? "").reverse()), values);
          return values.filter((value) => value !== "–").length;
        };
        const banner = page.getByRole("status").filter({ hasText: "As known at" });
        const group = page.getByRole("group", { name: "As known, times in UTC" });
        await page.locator(".panels tbody td").first().waitFor();
        assert.equal(await banner.count(), 0);
        await group.getByLabel("As known on").fill(day(15));
        await page.keyboard.press("Enter");
        await page.waitForURL(new RegExp(`as_of=${day(15)}$`));
        const medium = new Date(day(15)).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
        await banner.filter({ hasText: `As known at the end of ${medium}, times in UTC` }).waitFor();
        await compared(day(15));
        // At noon, the day before was the last that was over.
        await group.getByLabel("at", { exact: true }).fill("12:00");
        await page.keyboard.press("Enter");
        const instant = `${day(15)}T12:00:00Z`;
        await page.waitForURL((url) => url.searchParams.get("as_of") === instant);
        await banner.filter({ hasText: `As known at ${medium}, 12:00, times in UTC` }).waitFor();
        await compared(instant);
        await page.reload();
        await settled(page);
        await becomes(page, () => group.getByLabel("at", { exact: true }).inputValue(), "12:00");
        await accessible(page, "explore as of an instant");
        // What was recorded meanwhile is known now.
        const now = new Date().toISOString();
        await open(page, "admin", `/explore?metrics=posts_created&from=${from}&to=${to}&as=table&as_of=${now}`);
        assert.ok((await compared(now)) >= 28, "the recorded days are known");
        await banner.getByRole("button", { name: "Show what is known now" }).click();
        await page.waitForURL((url) => !url.searchParams.has("as_of"));
        await banner.waitFor({ state: "hidden" });
      }));

    test("a correction that came after the difference was shown is not overwritten, and a late difference is not shown", () =>
      withPage(browser, {}, async (page) => {
        const date = day(14);
        await signInAs(page, site, "admin", POSTS);
        await spokenOf(page, date, /New posts \d+/);
        await page.keyboard.press("Enter");
        const dialog = page.getByRole("dialog");
        const right = dialog.getByLabel("The right value");
        const show = dialog.getByRole("button", { name: "Show the difference" });
        // The answer for 7 comes after 8 was typed.
        let answer = () => {};
        const held = new Promise<void>((resolve) => (answer = resolve));
        await page.route("**/api/v1/corrections", async (route) => {
          if (route.request().postDataJSON()?.corrections[0].value === "7") await held;
          await route.continue();
        });
        await right.fill("7");
        await dialog.getByLabel(/^Reason/).fill(REASON);
        await show.click();
        await right.fill("8");
        const late = page.waitForResponse((response) => response.request().postDataJSON()?.corrections[0].value === "7");
        answer();
        await (await late).finished();
        await show.click();
        await dialog.getByText(/becomes 8;/).waitFor();
        assert.equal(await dialog.getByText(/becomes 7;/).count(), 0);
        site.run("correct", "posts_created", "--date", date, "--value", "6", "--reason", "counted again", "--yes");
        await dialog.getByRole("button", { name: "Correct", exact: true }).click();
        await dialog.getByText("was corrected after you looked at it").waitFor();
        await dialog.getByText("counted again").waitFor();
        await show.click();
        await dialog.getByText("6 becomes 8;").waitFor();
        await dialog.getByRole("button", { name: "Correct", exact: true }).click();
        await dialog.getByText("Revision 2 is written.").waitFor();
      }));

    test("a withdrawn day is a gap with its reason, and a reader has no form for it", () =>
      withPage(browser, { viewport: { width: 320, height: 640 } }, async (page) => {
        const date = day(9);
        await signInAs(page, site, "reader", POSTS);
        site.run("correct", "posts_created", "--date", date, "--withdraw", "--reason", "the import failed", "--yes");
        // The corrected day of the test before has a cross, too.
        await page.locator("figure .corrected .cross").nth(1).waitFor();
        await spokenOf(page, date, /no value \(withdrawn: .*; withdrawn by cli:\S+: the import failed \(\d+ was recorded\)\)/);
        await page.keyboard.press("Enter");
        const dialog = page.getByRole("dialog");
        await dialog.getByText("requires the scope correct").waitFor();
        await dialog.getByText("the import failed").first().waitFor();
        assert.equal(await dialog.getByRole("textbox").count(), 0);
        await accessible(page, "a withdrawn day, for a reader");
        await page.keyboard.press("Escape");
        await page.getByRole("link", { name: "All corrections" }).click();
        await page.getByRole("row", { name: /the import failed/ }).waitFor();
        await fits(page, "the list of corrections");
        const link = await page.getByRole("group", { name: "Export these corrections" }).getByRole("link", { name: "CSV" }).getAttribute("href");
        const csv = await page.evaluate(async (link) => await (await fetch(link)).text(), link ?? "");
        assert.match(csv, /^metric_date,[^]*,the import failed,/);
        const body = JSON.stringify({ reason: "none", corrections: [{ metric_category: "posts_created", date, value: 1 }] });
        const status = await page.evaluate(
          async (body) => (await fetch("/api/v1/corrections", { method: "POST", body, headers: { "content-type": "application/json" } })).status,
          body,
        );
        assert.equal(status, 403);
      }));

    test("restated days and redacted labels are listed and exported among the corrections", () =>
      withPage(browser, {}, async (page) => {
        const query = `category=top_genres&from=${day(9)}&to=${day(9)}&metadata=true`;
        const { series } = await api<{ series: { points: { metadata: { breakdown: Record<string, number> } }[] }[] }>(`/api/v1/metrics?${query}`);
        const genre = Object.keys(series[0]?.points[0]?.metadata.breakdown ?? {})[0] ?? assert.fail("no genre was recorded");
        const define = (filter: object) =>
          api("/api/v1/definitions/restated_tracks", { method: "PUT", body: JSON.stringify({ measure: "created", source: "tracks", filter }) });
        await define({ genre });
        site.run("backfill", "--metric", "restated_tracks", "--from", day(9), "--to", day(5));
        await define({});
        site.run("restate", "restated_tracks", "--reason", "one genre was counted", "--yes");
        await signInAs(page, site, "admin", "/operations/corrections");
        const { redactions: none } = await api<{ redactions: object[] }>("/api/v1/redactions");
        assert.deepEqual(none, []);
        await page.getByText("No label was redacted.").waitFor();
        site.run("redact", "--label", genre, "--reason", "erasure request 17", "--yes");
        const rows = page.getByRole("region", { name: "Table of corrections" }).locator("tbody tr");
        for (const [name, basis, kind] of [
          ["restated", "reconstruction", "restated under version 2"],
          ["label redacted", "redaction", "label redacted"],
        ] as const) {
          await page.getByRole("radio", { name, exact: true }).check();
          await page.waitForURL(new RegExp(`basis=${basis}`));
          await page.locator("tbody tr:first-child", { hasText: kind }).waitFor();
          const listed = async (limit: number) =>
            (await api<{ corrections: { batch_id: string }[] }>(`/api/v1/corrections?basis=${basis}&limit=${limit}`)).corrections;
          const expected = (await listed(50)).map(() => true);
          assert.ok(expected.length > 0, `no value is ${kind}`);
          await becomes(page, async () => (await rows.allInnerTexts()).map((text) => text.includes(kind)), expected, kind);
          const json = page.getByRole("group", { name: "Export these corrections" }).getByRole("link", { name: "JSON" });
          const link = await until(page, () => json.getAttribute("href"), (link) => assert.match(link ?? "", new RegExp(`basis=${basis}`)));
          const file = await page.evaluate(async (link) => (await (await fetch(link)).json()) as { batch_id: string }[], link ?? "");
          assert.deepEqual(file.map((one) => one.batch_id), (await listed(200)).map((one) => one.batch_id));
        }
        const { redactions } = await api<{ redactions: { placeholder: string }[] }>("/api/v1/redactions");
        const row = page.getByRole("region", { name: "Table of redactions" }).locator("tbody tr");
        await matches(page, () => row.innerText(), new RegExp(`${redactions[0]?.placeholder}[^]*Top genres: \\d+ records, [^]*erasure request 17`));
        const link = await page.getByRole("group", { name: "Export the redactions" }).getByRole("link", { name: "CSV" }).getAttribute("href");
        const csv = await page.evaluate(async (link) => await (await fetch(link)).text(), link ?? "");
        assert.ok(csv.includes(`${redactions[0]?.placeholder},`) && !csv.includes(genre), csv);
        await accessible(page, "the list of corrections and redactions");
        await page.setViewportSize({ width: 320, height: 640 });
        await fits(page, "the list of corrections and redactions");
      }));

    test("while the API is slow, a skeleton stands where its answer will be", () =>
      withPage(browser, {}, async (page) => {
        await signInAs(page, site, "reader");
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

    test("a failing API is reported with a remedy, and the rest of the page stays", () =>
      withPage(browser, {}, async (page) => {
        await signInAs(page, site, "reader");
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
        await signInAs(page, site, "admin");
        const [cookie] = await page.context().cookies();
        await page.getByRole("button", { name: "Signed in as admin" }).click();
        await page.getByRole("button", { name: "Sign out everywhere" }).click();
        await page.getByRole("heading", { name: "Sign in" }).waitFor();
        const stolen = await fetch(`${site.url}/api/v1/latest`, { headers: { cookie: `${cookie?.name}=${cookie?.value}` } });
        assert.equal(stolen.status, 401);
      }));
  });
