import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import type { Browser, Locator } from "playwright-core";

import {
  accessible, becomes, csvRows, day, demonstration, fits, hasFocus, includes, launch, layoutShift, matches, MISSING_DAYS, open, remove, settled, showTable,
  type Site, until, withPage,
} from "./harness.ts";

const PAGES = ["/", "/explore", "/explore?metrics=top_genres,posts_created,posts_total&by=week&as=stacked", "/explore?as=table"];

interface Change {
  absolute: number;
}
interface LatestAnswer {
  last_finished: string;
  metrics: { metric_category: string; display_name: string; value: number; metric_date: string; change_from_day_before: Change; change_from_week_before: Change; change_from_month_before: Change }[];
}
interface SeriesAnswer {
  series: { points: { from: string; value: number | null }[] }[];
}

interface ExportedSeries {
  metric_category: string;
  points: { from: string; value: number | null }[];
  gaps: { from: string; to: string; cause: string }[];
}

const daysIn = (from: string, to: string) => Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000) + 1;
const grouped = (value: number) => new Intl.NumberFormat("en-GB").format(value);

/** Runs each sample that the dialog shows, as a user who pastes it would, and compares what it gives with the API. */
async function samplesWork(site: Site, dialog: Locator): Promise<void> {
  const answer = await site.api<SeriesAnswer>(`/api/v1/metrics?category=posts_created&from=${day(30)}&to=${day(10)}`);
  const expected = answer.series[0]?.points.map(({ value }) => value);
  const sample = (name: string) => dialog.locator("section", { has: dialog.page().getByRole("heading", { name }) }).locator("code").innerText();

  const curl = execFileSync("bash", ["-c", (await sample("curl")).replace("curl ", "curl --silent ")], { encoding: "utf8" });
  const given = (JSON.parse(curl) as SeriesAnswer).series[0]?.points.map(({ value }) => value);
  assert.deepEqual(given, expected, "curl");

  const sql = (await sample("SQL")).replaceAll("daymark.", "");
  const python = "import sqlite3, sys, json; print(json.dumps([float(row[2]) for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])]))";
  const rows = execFileSync("python3", ["-c", python, `${site.directory}/daymark.db`, sql], { encoding: "utf8" });
  assert.deepEqual(JSON.parse(rows), expected, "SQL");

  const packages = process.env.DAYMARK_TEST_SUPABASE;
  if (packages === undefined) return;
  const script = `${packages}/sample-${process.pid}.mjs`;
  writeFileSync(script, `${await sample("supabase-js")}\nconsole.log(JSON.stringify(error ?? data.map(({ value }) => value)));`);
  try {
    // The server of this test runs open; the client insists on some key.
    const env = { PATH: process.env.PATH, DAYMARK_KEY: "none" };
    assert.deepEqual(JSON.parse(execFileSync("node", ["--experimental-websocket", script], { env, encoding: "utf8" })), expected, "supabase-js");
  } finally {
    rmSync(script);
  }
}

describe("the dashboard", () => {
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

  test("the overview shows what the API says", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      const latest = await site.api<LatestAnswer>("/api/v1/latest");
      for (const category of ["posts_total", "comments_total", "users_total"]) {
        const metric = latest.metrics.find((metric) => metric.metric_category === category);
        assert.ok(metric);
        const tile = page.locator("article", { has: page.getByRole("link", { name: metric.display_name, exact: true }) });
        await becomes(page, () => tile.locator(".value").innerText(), grouped(metric.value), category);
        const changes = [metric.change_from_day_before, metric.change_from_week_before, metric.change_from_month_before];
        await includes(page, () => tile.innerText(), ...changes.map(({ absolute }) => `+${grouped(absolute)}`));
      }
      await includes(page, () => page.locator("header").innerText(), "days in UTC", "last collection completed", "records are missing");
    }));

  test("the chart's table has the values of the API, and a gap has its cause", () =>
    withPage(browser, {}, async (page) => {
      const [from, to] = [day(20), day(1)];
      await open(page, `${site.url}/explore?metrics=posts_created&from=${from}&to=${to}`);
      await showTable(page, "New posts");
      const answer = await site.api<SeriesAnswer>(`/api/v1/metrics?category=posts_created&from=${from}&to=${to}`);
      const points = [...(answer.series[0]?.points ?? [])].reverse();
      const cells = page.locator(".numbers tbody td");
      const rows = await until(
        page,
        () => cells.evaluateAll((cells) => cells.map((cell) => cell.textContent?.replace(/\s+/g, " ").trim())),
        (rows) => assert.equal(rows.length, points.length),
      );
      points.forEach((point, index) => {
        if (point.value === null) assert.match(rows[index] ?? "", /^– ? never collected$/);
        else assert.equal(rows[index], grouped(point.value), point.from);
      });
      assert.equal(points.filter((point) => point.value === null).length, MISSING_DAYS);
    }));

  test("a chart is read point by point with the keyboard", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created&days=30`);
      const chart = page.getByRole("application", { name: /New posts/ });
      const spoken = page.locator("figure [aria-live=polite]");
      await chart.focus();
      const answer = await site.api<SeriesAnswer>(`/api/v1/metrics?category=posts_created&from=${day(30)}&to=${day(1)}`);
      const points = answer.series[0]?.points ?? [];
      await page.keyboard.press("Home");
      await matches(page, () => spoken.innerText(), new RegExp(`New posts ${points[0]?.value}\\.$`));
      await page.keyboard.press("ArrowRight");
      await matches(page, () => spoken.innerText(), new RegExp(`New posts ${points[1]?.value}\\.$`));
      await page.keyboard.press("End");
      await matches(page, () => spoken.innerText(), /New posts no value \(never collected\)/);
      await page.keyboard.press("Escape");
      await becomes(page, () => spoken.textContent(), "");
    }));

  test("marking a part of the chart zooms into it", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created&days=90`);
      const box = await page.getByRole("application").boundingBox();
      assert.ok(box);
      await page.mouse.move(box.x + box.width * 0.25, box.y + 100);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.5, box.y + 120, { steps: 4 });
      await page.mouse.up();
      await page.waitForURL(/from=/);
      const zoomed = new URL(page.url()).searchParams;
      const [from, to] = [zoomed.get("from") ?? "", zoomed.get("to") ?? ""];
      assert.ok(from > day(90) && from < to && to < day(1), `${from} to ${to}`);
    }));

  test("another range is drawn at once from what is known of it, before its answer comes", () =>
    withPage(browser, {}, async (page) => {
      const [from, to] = [day(40), day(11)];
      const { series } = await site.api<SeriesAnswer>(`/api/v1/metrics?category=posts_created&from=${day(60)}&to=${to}`);
      const value = (date: string) => series[0]?.points.find((point) => point.from === date)?.value ?? assert.fail(date);
      await open(page, `${site.url}/explore?metrics=posts_created&from=${from}&to=${to}`);
      const chart = page.getByRole("application");
      const spoken = page.locator("figure [aria-live=polite]");
      const firstIs = async (pattern: RegExp) => {
        await chart.focus();
        await page.keyboard.press("Home");
        await matches(page, () => spoken.innerText(), pattern);
      };
      for (const [name, begin, known] of [
        ["Closer", day(33), true],
        ["Earlier", day(48), false],
      ] as const) {
        let answer = () => {};
        const held = new Promise<void>((resolve) => (answer = resolve));
        await page.route("**/api/v1/metrics?*", async (route) => {
          await held;
          await route.continue();
        });
        const heights = await chart.locator("text[text-anchor=end]").allInnerTexts();
        await page.getByRole("button", { name, exact: true }).click();
        await page.waitForURL(new RegExp(`from=${begin}`));
        await becomes(page, () => page.locator(".panels").getAttribute("aria-busy"), "true");
        await firstIs(known ? new RegExp(`New posts ${value(begin)}\\.$`) : /New posts no value \(the answer is on its way\)\.$/);
        assert.deepEqual(await chart.locator("text[text-anchor=end]").allInnerTexts(), heights, "the axis stays");
        assert.equal(await page.locator(".legend").getByText("no value").count(), 0, "what is not known yet is no gap");
        answer();
        await settled(page);
        await firstIs(new RegExp(`New posts ${value(begin)}\\.$`));
        await page.unroute("**/api/v1/metrics?*");
      }
    }));

  test("a part that is marked past the edge of the chart ends with the newest day", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created&days=90`);
      const box = await page.getByRole("application").boundingBox();
      assert.ok(box);
      await page.mouse.move(box.x + box.width * 0.75, box.y + 100);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width + 60, box.y + 120, { steps: 8 });
      await page.mouse.up();
      await page.waitForURL(new RegExp(`to=${day(1)}`));
    }));

  test("what the pointer shows is taken away by Escape, and by a range without that day", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created&days=90`);
      const chart = page.getByRole("application");
      await chart.hover();
      await page.locator(".tip").waitFor();
      await page.keyboard.press("Escape");
      await page.locator(".tip").waitFor({ state: "hidden" });
      // The way back leads to a shorter range while the cursor is at the end of the longer one.
      await page.getByText("30 days", { exact: true }).click();
      await page.waitForURL(/days=30/);
      await page.getByText("90 days", { exact: true }).click();
      await page.waitForURL((url) => !url.search.includes("days="));
      await settled(page);
      await chart.focus();
      await page.keyboard.press("End");
      await page.locator(".tip").waitFor();
      await page.goBack();
      await page.locator(".tip").waitFor({ state: "hidden" });
    }));

  test("dates are typed, and nothing happens before a date is whole", () =>
    withPage(browser, { locale: "en-US" }, async (page) => {
      await open(page, `${site.url}/?from=${day(40)}&to=${day(10)}`);
      const before = page.url();
      const [year, month, date] = day(35).split("-");
      const from = page.getByLabel("From", { exact: true });
      await from.focus();
      // Month, day and year, as the locale of the browser has them.
      for (const part of [month, date, year]) await page.keyboard.type(part ?? "");
      await becomes(page, () => from.inputValue(), day(35));
      assert.equal(page.url(), before, "a date is taken when the field is left");
      await page.keyboard.press("Enter");
      await page.waitForURL(new RegExp(`from=${day(35)}&to=${day(10)}`));
      await becomes(page, () => page.getByLabel("To", { exact: true }).inputValue(), day(10));
      // A year that is typed in part is none.
      await page.getByLabel("To", { exact: true }).focus();
      await from.focus();
      for (const part of [month, date, "0002"]) await page.keyboard.type(part ?? "");
      await page.getByLabel("To", { exact: true }).focus();
      await becomes(page, () => from.inputValue(), day(35));
      assert.match(page.url(), new RegExp(`from=${day(35)}`));
    }));

  test("while the charts cannot be shown, another range can be chosen", () =>
    withPage(browser, {}, async (page) => {
      const problem = { type: "urn:daymark:problem:internal", title: "The server failed", status: 500, detail: "its log has the reason" };
      await page.route("**/api/v1/metrics?*interval=day*", (route) =>
        route.fulfill({ status: 500, contentType: "application/problem+json", body: JSON.stringify(problem) }),
      );
      await page.goto(site.url);
      await page.getByText("What was asked cannot be shown.").waitFor();
      await page.unroute("**/api/v1/metrics?*interval=day*");
      await page.getByText("7 days", { exact: true }).click();
      await page.getByRole("application", { name: /^Activity/ }).waitFor();
    }));

  test("the whole state is in the address, and the way back leads back", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore`);
      let search = "?metrics=posts_created,comments_created";
      for (const [name, addition] of [
        ["30 days", "&days=30"],
        ["week", "&by=week"],
        ["stacked", "&as=stacked"],
        ["a year before", "&against=year"],
      ] as const) {
        await page.getByText(name, { exact: true }).click();
        search += addition;
        await page.waitForURL((url) => url.search === search);
      }
      await page.reload();
      await settled(page);
      for (const name of ["30 days", "week", "stacked", "a year before"])
        await becomes(page, () => page.getByRole("radio", { name, exact: true }).isChecked(), true, name);
      await page.goBack();
      await page.waitForURL((url) => !url.search.includes("against"));
    }));

  test("metrics are found and chosen by keyboard alone", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created`);
      await page.getByRole("button", { name: "Choose metrics" }).focus();
      await page.keyboard.press("Enter");
      const dialog = page.getByRole("dialog", { name: "Choose metrics" });
      await hasFocus(dialog.getByRole("searchbox"));
      await page.keyboard.type("genres");
      await dialog.getByRole("listitem").first().filter({ hasText: "Top genres" }).waitFor();
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
      await hasFocus(page.getByRole("checkbox", { name: /^Top genres/ }));
      await page.keyboard.press("Space");
      await page.waitForURL(/\?metrics=posts_created,top_genres$/);
      await page.keyboard.press("Escape");
      await page.getByRole("heading", { name: "Top genres" }).waitFor();
    }));

  test("what is shown can be exported and copied", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created&from=${day(30)}&to=${day(10)}`);
      for (const [name, begin] of [
        ["CSV", "metric_date,"],
        ["JSON", "["],
        ["Parquet", "PAR1"],
        ["SVG", "<svg"],
      ] as const) {
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.locator(".exports").getByText(name, { exact: true }).click(),
        ]);
        let text = "";
        for await (const chunk of await download.createReadStream()) text += String(chunk);
        assert.ok(text.trimStart().startsWith(begin) || text.includes(begin), `${name}: ${text.slice(0, 200)}`);
      }
      const [png] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "PNG" }).click()]);
      assert.match(png.suggestedFilename(), /\.png$/);
      await page.getByRole("button", { name: "Copy as…" }).click();
      const dialog = page.getByRole("dialog");
      await includes(page, () => dialog.innerText(), "curl --header", '.from("daily_metrics")', "FROM daymark.daily_metrics");
      await samplesWork(site, dialog);
    }));

  test("each cell of the exported CSV is what the API answers", () =>
    withPage(browser, {}, async (page) => {
      const metrics = ["posts_created", "engagement_rate", "top_genres"];
      const [from, to] = [day(20), day(1)];
      await open(page, `${site.url}/explore?metrics=${metrics.join(",")}&from=${from}&to=${to}`);
      const [download] = await Promise.all([page.waitForEvent("download"), page.locator(".exports").getByText("CSV", { exact: true }).click()]);
      let text = "";
      for await (const chunk of await download.createReadStream()) text += String(chunk);
      const [header = [], ...rows] = csvRows(text);
      const query = `category=${metrics.join(",")}&from=${from}&to=${to}`;
      const file = await site.api<Record<string, unknown>[]>(`/api/v1/export?format=json&${query}`);
      assert.deepEqual(Object.keys(file[0] ?? {}), header);
      assert.equal(rows.length, file.length);
      const cell = (value: unknown) => (value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
      rows.forEach((row, index) => assert.deepEqual(row, Object.values(file[index] ?? {}).map(cell), `row ${index + 2}`));
      // The series that the chart shows have the same values, and a day without one has its cause.
      const { series } = await site.api<{ series: ExportedSeries[] }>(`/api/v1/metrics?${query}`);
      assert.equal(series.length * daysIn(from, to), rows.length);
      const column = (row: string[], name: string) => row[header.indexOf(name)];
      for (const { metric_category, points, gaps } of series)
        for (const { from: date, value } of points) {
          const row = rows.find((row) => column(row, "metric_category") === metric_category && column(row, "metric_date") === date);
          const state = value === null ? gaps.find((gap) => gap.from <= date && gap.to >= date)?.cause : "recorded";
          assert.deepEqual([row && column(row, "value"), row && column(row, "state")], [value === null ? "" : String(value), state], `${metric_category} ${date}`);
        }
    }));

  test("on a phone, a tap shows a day, a second one opens it, and a finger that moves goes from day to day", () =>
    withPage(browser, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created&days=30`);
      const { series } = await site.api<SeriesAnswer>(`/api/v1/metrics?category=posts_created&from=${day(30)}&to=${day(1)}`);
      const points = series[0]?.points ?? [];
      const name = (date: string) =>
        new Date(date).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
      const chart = page.getByRole("application");
      await chart.scrollIntoViewIfNeeded();
      const box = await chart.boundingBox();
      assert.ok(box);
      const tip = page.locator(".tip");
      /** The day that the tip shows, with its value. */
      const shown = async () => {
        const [title, value] = await tip.evaluate((tip) => ["strong", ".value"].map((part) => tip.querySelector(part)?.textContent?.trim()));
        const point = points.find(({ from }) => name(from) === title) ?? assert.fail(title);
        assert.equal(value, point.value === null ? "–" : grouped(point.value), title);
        return point.from;
      };
      const [x, y] = [box.x + box.width / 2, box.y + 120];
      await page.touchscreen.tap(x, y);
      await tip.waitFor();
      const tapped = await shown();
      const session = await page.context().newCDPSession(page);
      const touch = (type: "touchStart" | "touchMove" | "touchEnd", at?: number) =>
        session.send("Input.dispatchTouchEvent", { type, touchPoints: at === undefined ? [] : [{ x: at, y }] });
      await touch("touchStart", x);
      for (const part of [0.55, 0.6, 0.65, 0.7]) await touch("touchMove", box.x + box.width * part);
      await page.waitForFunction((title) => document.querySelector(".tip strong")?.textContent !== title, name(tapped));
      await touch("touchEnd");
      const moved = await shown();
      assert.ok(moved > tapped, `${tapped} to ${moved}`);
      assert.ok(page.url().endsWith("days=30"), "a finger that reads does not zoom");
      await page.touchscreen.tap(x, y);
      await page.touchscreen.tap(x, y);
      const dialog = page.getByRole("dialog", { name: name(tapped) });
      await dialog.waitFor();
      await dialog.getByRole("button", { name: "Close" }).tap();
      await dialog.waitFor({ state: "hidden" });
      await page.getByRole("button", { name: "Closer" }).tap();
      await page.waitForURL(/from=/);
      await settled(page);
      const zoomed = new URL(page.url()).searchParams;
      assert.equal(daysIn(zoomed.get("from") ?? "", zoomed.get("to") ?? ""), 15);
      await page.getByRole("button", { name: "Wider" }).tap();
      await page.waitForURL((url) => daysIn(url.searchParams.get("from") ?? "", url.searchParams.get("to") ?? "") === 30);
      await settled(page);
      await fits(page, "Explore on a phone");
    }));

  test("on a phone, the first chart of Explore is seen without scrolling, its options are unfolded, and controls have room for a finger", () =>
    withPage(browser, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }, async (page) => {
      await open(page, `${site.url}/explore`);
      const box = await page.getByRole("application").first().boundingBox();
      assert.ok(box && box.y + box.height <= 844, `the chart ends at ${box && box.y + box.height} px`);
      await page.getByText("Options", { exact: true }).tap();
      await page.getByText("week", { exact: true }).tap();
      await page.getByText("Options: by week", { exact: true }).waitFor();
      await fits(page, "Explore with its options");
      await accessible(page, "Explore with its options, on a phone");
      const low = await page
        .locator("header :is(a, button, select), .controls :is(summary, label, button, input:not([type=radio]))")
        .evaluateAll((controls) => controls.filter((one) => one.getClientRects().length > 0 && one.getBoundingClientRect().height < 44).map((one) => one.outerHTML));
      assert.deepEqual(low, [], "controls of less than 44 px");
    }));

  for (const colorScheme of ["light", "dark"] as const)
    test(`axe finds nothing on any page, ${colorScheme}`, () =>
      withPage(browser, { colorScheme, reducedMotion: "reduce" }, async (page) => {
        for (const path of PAGES) {
          await open(page, site.url + path);
          await accessible(page, `${path}, ${colorScheme}`);
        }
      }));

  test("pages fit a phone and are printed", () =>
    withPage(browser, { viewport: { width: 320, height: 640 }, hasTouch: true }, async (page) => {
      for (const path of PAGES) {
        await open(page, site.url + path);
        await fits(page, path);
      }
      await page.emulateMedia({ media: "print" });
      await page.getByRole("navigation").waitFor({ state: "hidden" });
      assert.ok((await page.pdf()).length > 10_000);
    }));

  test("the page of the API is read and tried under a policy without inline scripts and styles", () =>
    withPage(browser, {}, async (page) => {
      const answer = await page.goto(`${site.url}/docs/`);
      assert.doesNotMatch(answer?.headers()["content-security-policy"] ?? "unsafe-inline", /unsafe-inline|unsafe-eval/);
      const latest = page.locator("#operations-record-latest");
      await latest.locator(".opblock-summary-control").click();
      await latest.getByRole("button", { name: "Execute" }).click();
      await latest.locator(".live-responses-table").getByText("last_finished").first().waitFor();
      await page.getByRole("button", { name: "Authorize" }).click();
      await page.locator(".dialog-ux").waitFor();
    }));

  test("a chosen theme stays, whatever the system's is", () =>
    withPage(browser, { colorScheme: "light" }, async (page) => {
      await open(page, site.url);
      const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const light = await background();
      await page.getByLabel("Theme").selectOption("dark");
      const dark = await until(page, background, (dark) => assert.notEqual(dark, light));
      await page.reload();
      await settled(page);
      assert.equal(await background(), dark);
    }));

  test("the first page costs at most fifteen requests and ninety kilobytes", () =>
    withPage(browser, {}, async (page) => {
      const sizes: Promise<number>[] = [];
      page.on("requestfinished", (request) => {
        assert.ok(request.url().startsWith(site.url) || request.url().startsWith("data:"), request.url());
        sizes.push(request.sizes().then((sizes) => (request.url().includes("/api/") ? 0 : sizes.responseBodySize)));
      });
      await open(page, site.url);
      await page.waitForLoadState("networkidle");
      const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
      assert.ok(sizes.length <= 15, `${sizes.length} requests`);
      assert.ok(bytes <= 90_000, `${bytes} bytes`);
    }));

  test("the name is painted while the script is on its way, where the header will be", () =>
    withPage(browser, {}, async (page) => {
      let answer = () => {};
      const held = new Promise<void>((resolve) => (answer = resolve));
      await page.route("**/_app/immutable/*.js", async (route) => {
        await held;
        await route.continue();
      });
      await page.goto(site.url, { waitUntil: "commit" });
      const boot = page.locator("#boot");
      const mark = async (within: string) => await page.locator(`${within} svg`).first().boundingBox();
      await boot.getByText("Daymark").waitFor();
      const before = await mark("#boot");
      answer();
      await settled(page);
      await boot.waitFor({ state: "detached" });
      assert.deepEqual(await mark("header"), before);
    }));

  test("nothing moves while the first page loads", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      const shift = await layoutShift(page);
      assert.ok(shift < 0.1, `layout shift ${shift}`);
    }));

  test("without scripts, the latest values and thirty days are a table", () =>
    withPage(browser, { javaScriptEnabled: false }, async (page) => {
      await page.goto(site.url);
      const latest = await site.api<LatestAnswer>("/api/v1/latest");
      const posts = latest.metrics.find((metric) => metric.metric_category === "posts_total");
      assert.ok((await page.locator("noscript").innerText()).includes(String(posts?.value)));
      assert.equal(await page.locator("noscript table").nth(1).locator("tbody tr").count(), 30);
    }));

  test("while the server is away the last answer stays and is marked, until another one is asked for", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      const value = await page.locator(".value").first().innerText();
      await site.stop();
      // The page looks for news when the network comes back.
      await page.evaluate(() => window.dispatchEvent(new Event("online")));
      await page.getByText("The server cannot be reached since").waitFor();
      assert.equal(await page.locator(".value").first().innerText(), value);
      await site.start();
      await page.getByRole("button", { name: "Try now" }).click();
      await page.getByText("The server cannot be reached since").waitFor({ state: "hidden" });
    }));
});
