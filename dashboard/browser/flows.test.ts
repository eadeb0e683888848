import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Browser } from "playwright-core";

import {
  accessible, becomes, day, demonstration, fits, hasFocus, HOSTILE, includes, launch, matches, MISSING_DAYS, open, remove, showTable, type Site,
  withPage,
} from "./harness.ts";

const PAGES = [
  "/definitions",
  "/definitions/posts_created",
  "/definitions/top_genres",
  "/define",
  "/operations",
  "/operations/alerts",
  "/operations/corrections",
  "/operations/drift",
  "/operations/keys",
];

interface Status {
  missing: number;
  records: number;
}

interface Drift {
  metrics: { changed: { recorded: number; recounted: number }[] }[];
}

async function put(site: Site, category: string, body: object): Promise<void> {
  const response = await fetch(`${site.url}/api/v1/definitions/${category}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.ok(response.ok, await response.text());
}

describe("what an admin does", () => {
  let site: Site;
  let browser: Browser;
  before(async () => {
    browser = await launch();
    site = await demonstration();
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  test("without a stream of events, a collection that finishes while the page is open appears by itself", () =>
    withPage(browser, {}, async (page) => {
      await page.clock.install();
      await page.route("**/api/v1/events*", (route) => route.fulfill({ status: 503 }));
      await open(page, site.url);
      await page.locator(".as-of", { hasText: "the last finished day is" }).waitFor();
      const response = await fetch(`${site.url}/rest/v1/rpc/collect_daily_metrics`, { method: "POST" });
      assert.ok(response.ok);
      await page.clock.fastForward(31_000);
      await page.locator(".as-of", { hasNotText: "the last finished day is" }).waitFor();
      const latest = await site.api<{ metrics: { metric_category: string; value: number }[] }>("/api/v1/latest");
      const users = latest.metrics.find((metric) => metric.metric_category === "users_total")?.value ?? 0;
      await becomes(page, () => page.locator("article .value").first().innerText(), users.toLocaleString("en-GB"));
    }));

  test("the record stands beside a recount of what the platform still holds", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      await page.getByRole("button", { name: "Count again now" }).click();
      const section = page.getByRole("region", { name: "Comments, counted again" });
      await section.waitFor();
      const query = `category=comments_total&from=${day(30)}&to=${day(1)}`;
      const drift = await site.api<Drift>(`/api/v1/drift?${query}`);
      const last = drift.metrics[0]?.changed.at(-1);
      assert.ok(last && last.recounted < last.recorded, "an account was deleted with its comments");
      await includes(page, () => section.innerText(), last.recorded.toLocaleString("en-GB"), last.recounted.toLocaleString("en-GB"));
      await accessible(page, "the overview with a recount");
    }));

  test("the calendar is read day by day with the keyboard", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations`);
      await page.getByRole("application", { name: /Days of the year/ }).focus();
      const spoken = page.locator(".now");
      await page.keyboard.press("End");
      await matches(page, () => spoken.innerText(), /: 12 metrics (missing|recorded)/);
      // A week earlier.
      await page.keyboard.press("ArrowLeft");
      const weekday = new Date(day(8)).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });
      await becomes(page, () => spoken.innerText(), `${weekday}: 12 metrics recorded`);
    }));

  test("the calendar is of one metric, if it is wanted", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations`);
      await page.getByRole("region", { name: "A year of days" }).getByRole("combobox").selectOption("posts_created");
      await page.getByRole("application", { name: /Days of the year/ }).focus();
      await page.keyboard.press("End");
      await page.keyboard.press("ArrowLeft");
      await matches(page, () => page.locator(".now").innerText(), /: 1 metric recorded$/);
    }));

  test("annotations with the same words on a day are both shown", () =>
    withPage(browser, {}, async (page) => {
      const headers = { "content-type": "application/json" };
      for (const metric_category of [null, "posts_created"]) {
        const body = JSON.stringify({ from: day(15), text: "The same words", metric_category });
        assert.ok((await fetch(`${site.url}/api/v1/annotations`, { method: "POST", headers, body })).ok);
      }
      await open(page, `${site.url}/explore?metrics=posts_created&days=30`);
      await showTable(page, "New posts");
      await becomes(page, () => page.locator(".numbers").getByText(/The same words/).count(), 2);
      await page.getByRole("application", { name: /^New posts/ }).focus();
      await page.keyboard.press("Home");
      for (let step = 0; step < 15; step++) await page.keyboard.press("ArrowRight");
      await becomes(page, () => page.locator(".tip").getByText(/The same words/).count(), 2);
    }));

  test("a metric whose type was changed is shown as it is now", () =>
    withPage(browser, {}, async (page) => {
      await put(site, "changing", { measure: "sum", source: "tracks", column: "duration_seconds", display_name: "Changing", dashboard: { headline: true } });
      site.run("backfill", "--metric", "changing", "--from", day(20), "--to", day(10));
      await put(site, "changing", { measure: "created", source: "tracks", display_name: "Changing", dashboard: { headline: true } });
      site.run("backfill", "--metric", "changing", "--from", day(20), "--to", day(10));
      const { series } = await site.api<{ series: { is_active: boolean; points: { value: number | null }[] }[] }>(
        `/api/v1/metrics?category=changing&from=${day(20)}&to=${day(10)}`,
      );
      assert.equal(series.length, 2, "the values of the earlier type are still there");
      const values = series.find((one) => one.is_active)?.points.map(({ value }) => String(value)) ?? [];
      await open(page, `${site.url}/explore?metrics=changing&from=${day(20)}&to=${day(10)}`);
      await showTable(page, "Changing");
      const cells = page.locator(".numbers tbody td");
      const shown = () => cells.evaluateAll((cells) => cells.map((cell) => cell.firstChild?.textContent?.trim()).reverse());
      await becomes(page, shown, values);
      await open(page, `${site.url}/definitions/changing`);
      await page.getByRole("application", { name: /^Changing/ }).waitFor();
      await open(page, site.url);
      const activity = page.locator("figure", { has: page.getByRole("application", { name: /^Activity/ }) });
      await becomes(page, () => activity.getByRole("list", { name: "Legend" }).getByText("Changing").count(), 1);
      // Its days that are not recorded are no gaps for the other tests.
      await fetch(`${site.url}/api/v1/definitions/changing`, { method: "DELETE" });
    }));

  test("what others annotate and define appears at once", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created&days=30`);
      const note = { from: day(10), text: "Release <b>2.1</b>" };
      const headers = { "content-type": "application/json" };
      await fetch(`${site.url}/api/v1/annotations`, { method: "POST", headers, body: JSON.stringify(note) });
      await page.getByRole("listitem").filter({ hasText: "Release <b>2.1</b>" }).waitFor();
      await open(page, `${site.url}/operations`);
      await put(site, "others_metric", { measure: "created", source: "posts" });
      await page.getByRole("option", { name: "Others metric" }).waitFor({ state: "attached" });
      await fetch(`${site.url}/api/v1/definitions/others_metric`, { method: "DELETE" });
      await page.getByRole("option", { name: "Others metric" }).waitFor({ state: "detached" });
    }));

  test("a day is annotated, shown on every chart, changed and deleted", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created,posts_total&days=30`);
      await page.getByRole("button", { name: "Annotate a day…" }).click();
      await page.getByLabel("Day", { exact: true }).fill(day(20));
      await page.getByLabel(/^What happened/).fill("Campaign 🎷");
      await page.getByLabel("About").selectOption("posts_created");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("listitem").filter({ hasText: "Campaign 🎷" }).waitFor();
      await page.getByRole("dialog", { name: "Annotate a day" }).waitFor({ state: "hidden" });
      const posts = page.getByRole("application", { name: /^New posts/ });
      await posts.focus();
      await page.keyboard.press("Home");
      for (let step = 0; step < 10; step++) await page.keyboard.press("ArrowRight");
      await matches(page, () => page.locator("figure", { has: posts }).locator("[aria-live]").innerText(), /Campaign 🎷\.$/);
      await page.locator(".note.head").first().waitFor();
      await accessible(page, "explore with annotations");
      await open(page, site.url);
      await showTable(page, "Activity by day");
      await page.getByRole("rowheader", { name: /Campaign 🎷/ }).waitFor();
      await open(page, `${site.url}/explore?metrics=posts_created&days=30`);
      await page.getByRole("button", { name: "Edit the annotation Campaign 🎷" }).click();
      await page.getByLabel(/^What happened/).fill("Campaign of autumn");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("button", { name: "Edit the annotation Campaign of autumn" }).click();
      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByRole("listitem").filter({ hasText: "Campaign of autumn" }).waitFor({ state: "hidden" });
    }));

  test("alerts are listed and silenced, and the silence is ended", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations/alerts`);
      const alerts = await site.api<{ alerts: { rule: string }[] }>("/api/v1/alerts");
      await becomes(page, () => page.getByRole("region", { name: "Table of alerts" }).locator("tbody tr").count(), alerts.alerts.length);
      await page.getByRole("button", { name: "Silence… day_missing" }).click();
      await page.getByLabel(/^Reason/).fill("the house is being moved");
      await page.getByRole("dialog").getByRole("button", { name: "Silence", exact: true }).click();
      await page.getByRole("row", { name: /the house is being moved/ }).waitFor();
      const { silences } = await site.api<{ silences: { rule: string; reason: string }[] }>("/api/v1/alerts");
      assert.deepEqual(silences.map(({ rule, reason }) => [rule, reason]), [["day_missing", "the house is being moved"]]);
      await accessible(page, "alerts");
      await page.getByRole("button", { name: "End the silence of day_missing" }).click();
      await page.getByText("No silence holds.").waitFor();
    }));

  test("drift names the days that a recount gives less for", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations/drift`);
      await page.getByRole("button", { name: "Count again" }).click();
      const section = page.getByRole("region", { name: "Comments", exact: true });
      await section.waitFor();
      const drift = await site.api<Drift>(`/api/v1/drift?category=comments_total&from=${day(30)}&to=${day(1)}`);
      await section.getByText("Each day").click();
      await becomes(page, () => section.locator("tbody tr").count(), drift.metrics[0]?.changed.length ?? 0);
      await accessible(page, "drift");
    }));

  test("a gap is backfilled from its row, and is gone then", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations`);
      const before = await site.api<Status>("/api/v1/status");
      assert.ok(before.missing >= 12 * (MISSING_DAYS - 1), `${before.missing} are missing`);
      await page.getByRole("button", { name: /^Backfill/ }).click();
      await page.getByText(/done, \d+ records written/).waitFor();
      const after = await site.api<Status>("/api/v1/status");
      assert.deepEqual([after.missing, after.records], [0, before.records + before.missing]);
      await page.getByText("No day is missing.").waitFor();
      await page.goto(`${site.url}/explore?metrics=posts_created&days=7`);
      await page.getByText("recorded later").waitFor();
    }));

  test("the schedule is paused with a reason and resumed", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/operations`);
      await page.getByRole("button", { name: "Pause…" }).click();
      await page.getByLabel("Reason").fill("moving house");
      await page.getByRole("dialog").getByRole("button", { name: "Pause", exact: true }).click();
      await page.getByText("moving house").waitFor();
      const schedule = await site.api<{ pause: { reason: string } | null }>("/api/v1/schedule");
      assert.equal(schedule.pause?.reason, "moving house");
      await page.getByRole("button", { name: "Resume" }).click();
      await page.getByRole("button", { name: "Pause…" }).waitFor();
    }));

  test("a metric is defined, with what is wrong beside its field, changed and switched off", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/definitions`);
      await page.getByRole("link", { name: "New metric" }).click();
      await page.getByLabel(/^Category/).fill("jazz_tracks");
      await page.getByLabel("Source").fill("records");
      await page.getByLabel(/^Filter/).fill('{"genre": "jazz"}');
      await page.getByRole("button", { name: "Define" }).click();
      const source = page.getByLabel("Source");
      await page.getByText("source `records` is not declared").waitFor();
      await becomes(page, () => source.getAttribute("aria-invalid"), "true");
      await hasFocus(source);
      await source.fill("tracks");
      await page.getByLabel(/^Name for people/).fill("Tracks of jazz");
      // What it would have recorded is shown before it is defined, and nothing of it is recorded.
      const preview = page.getByRole("application", { name: /^Tracks of jazz, as the platform's rows/ });
      await preview.focus();
      await page.keyboard.press("End");
      const query = `from=${day(1)}&to=${day(1)}`;
      assert.ok(!JSON.stringify(await site.api(`/api/v1/metrics?${query}`)).includes("jazz_tracks"));
      await page.locator("#known-sources option").nth(4).waitFor({ state: "attached" });
      await accessible(page, "the form with a preview");
      await page.getByRole("button", { name: "Define" }).click();
      await page.getByRole("heading", { name: "Tracks of jazz" }).waitFor();
      await page.getByText(/^Backfill: done, \d+ records written/).waitFor();

      await page.getByRole("link", { name: "Edit" }).click();
      await becomes(page, () => page.getByLabel(/^Filter/).inputValue(), '{"genre":"jazz"}');
      await page.getByLabel(/^Filter/).fill('{"genre": ["jazz", "blues"]}');
      await page.getByRole("button", { name: "Save as a new version" }).click();
      await page.getByRole("rowheader", { name: "2", exact: true }).waitFor();
      const version = page.getByRole("region", { name: "Table of versions" });
      await matches(page, () => version.innerText(), /filter\s+\{"genre":"jazz"\}\s*\{"genre":\["jazz","blues"\]\}/);
      await page.getByRole("button", { name: "Deactivate" }).click();
      await page.getByText("not active: no further days are recorded").waitFor();
      await page.getByRole("button", { name: "Activate" }).click();
      await page.getByRole("button", { name: "Deactivate" }).waitFor();
    }));

  test("the preview of a breakdown has the labels of the last day, with their numbers", () =>
    withPage(browser, {}, async (page) => {
      const body = { measure: "breakdown", of: "existing", source: "tracks", column: "genre", top: 5 };
      const answer = await fetch(`${site.url}/api/v1/previews`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      const { days } = (await answer.json()) as { days: { metadata: { breakdown: Record<string, number> } | null }[] };
      const expected = Object.entries(days.at(-1)?.metadata?.breakdown ?? {});
      assert.ok(expected.length > 1, "the last day has several labels");
      await open(page, `${site.url}/define`);
      await page.getByLabel("What is counted").selectOption("breakdown");
      await page.getByLabel(/^Rows/).selectOption("existing");
      await page.getByLabel("Source").fill("tracks");
      await page.getByLabel(/^Column/).fill("genre");
      await page.getByLabel(/^Labels recorded by name/).fill("5");
      const labels = page.getByRole("region", { name: /^Labels of / });
      await labels.waitFor();
      for (const [label, count] of expected) {
        const row = labels.getByRole("row").filter({ has: page.getByRole("rowheader", { name: label, exact: true }) });
        await becomes(page, () => row.locator("td.number").first().innerText(), String(count), label);
      }
      await accessible(page, "the form with the preview of a breakdown");
      await page.getByLabel("What is counted").selectOption("created");
      await labels.waitFor({ state: "hidden" });
    }));

  test("metrics are found by their words", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/definitions`);
      await page.getByLabel(/^Search/).fill("share users 30");
      await becomes(page, () => page.locator(".list a").allInnerTexts(), ["Active users"]);
      await page.waitForURL(/\?search=share\+users\+30$/);
    }));

  test("hostile names are shown as they are", () =>
    withPage(browser, { viewport: { width: 320, height: 640 } }, async (page) => {
      const names = HOSTILE.map((_, index) => `hostile_${index}`);
      for (const [index, display_name] of HOSTILE.entries())
        await put(site, `hostile_${index}`, { measure: "created", source: "posts", display_name, description: display_name });
      for (const path of ["/", "/definitions", `/explore?metrics=${names.join(",")}`, "/definitions/hostile_0", "/operations"]) {
        await open(page, site.url + path);
        await matches(page, () => page.title(), /Daymark$/);
        await fits(page, path);
      }
      await open(page, `${site.url}/definitions/hostile_0`);
      await becomes(page, () => page.locator("h1").innerText(), HOSTILE[0]);
      await open(page, `${site.url}/explore?metrics=hostile_1`);
      await accessible(page, "explore with a hostile name");
    }));

  for (const colorScheme of ["light", "dark"] as const)
    test(`axe finds nothing on the pages of an admin, ${colorScheme}`, () =>
      withPage(browser, { colorScheme, reducedMotion: "reduce" }, async (page) => {
        for (const path of PAGES) {
          await open(page, site.url + path);
          await accessible(page, `${path}, ${colorScheme}`);
        }
      }));

  test("the pages of an admin fit a phone", () =>
    withPage(browser, { viewport: { width: 320, height: 640 } }, async (page) => {
      for (const path of PAGES) {
        await open(page, site.url + path);
        await fits(page, path);
      }
    }));

  test("a page that does not exist and a metric that does not are said to be missing", () =>
    withPage(browser, {}, async (page) => {
      await page.goto(`${site.url}/definitions/no_such_metric`);
      await page.getByText("This metric cannot be shown.").waitFor();
      assert.ok(day(0));
    }));
});
