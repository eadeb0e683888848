import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import type { Browser, Locator } from "playwright-core";

import { accessible, day, demonstration, fits, launch, MISSING_DAYS, open, remove, settled, withPage, type Site } from "./harness.ts";

const PAGES = ["/", "/explore", "/explore?metrics=top_genres,posts_created,posts_total&by=week&as=stacked", "/explore?as=table"];

interface LatestAnswer {
  last_finished: string;
  metrics: { metric_category: string; display_name: string; value: number; metric_date: string; change_from_week_before: { absolute: number } }[];
}
interface SeriesAnswer {
  series: { points: { from: string; value: number | null }[] }[];
}

const grouped = (value: number) => new Intl.NumberFormat("en-GB").format(value);

/** Runs each sample that the dialog shows, as a user who pastes it would, and compares what it gives with the API. */
async function samplesWork(site: Site, dialog: Locator): Promise<void> {
  const answer = await site.api<SeriesAnswer>(`/api/v1/metrics?category=posts_created&from=${day(30)}&to=${day(10)}`);
  const expected = answer.series[0]?.points.map(({ value }) => value);
  const sample = (name: string) => dialog.locator("section", { has: dialog.page().getByRole("heading", { name }) }).locator("code").innerText();

  const curl = execFileSync("bash", ["-c", (await sample("curl")).replace("curl ", "curl --silent ")], { encoding: "utf8" });
  const given = (JSON.parse(curl) as SeriesAnswer).series[0]?.points.map(({ value }) => value);
  assert.deepEqual(given, expected, "curl");

  const sql = (await sample("SQL")).replace("daymark.daily_metrics", "daily_metrics");
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
        assert.equal(await tile.locator(".value").innerText(), grouped(metric.value));
        assert.ok((await tile.innerText()).includes(`+${grouped(metric.change_from_week_before.absolute)}`));
      }
      const header = await page.locator("header").innerText();
      assert.ok(header.includes("days in UTC") && header.includes("last collection completed"), header);
      assert.ok(header.includes("records are missing"), "the missing days are told");
    }));

  test("the chart's table has the values of the API, and a gap has its cause", () =>
    withPage(browser, {}, async (page) => {
      const [from, to] = [day(20), day(1)];
      await open(page, `${site.url}/explore?metrics=posts_created&from=${from}&to=${to}`);
      await page.getByText("Table of New posts").click();
      const rows = await page
        .locator(".numbers tbody td")
        .evaluateAll((cells) => cells.map((cell) => cell.textContent?.replace(/\s+/g, " ").trim()));
      const answer = await site.api<SeriesAnswer>(`/api/v1/metrics?category=posts_created&from=${from}&to=${to}`);
      const points = [...(answer.series[0]?.points ?? [])].reverse();
      assert.equal(rows.length, points.length);
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
      assert.match(await spoken.innerText(), new RegExp(`New posts ${points[0]?.value}\\.$`));
      await page.keyboard.press("ArrowRight");
      assert.match(await spoken.innerText(), new RegExp(`New posts ${points[1]?.value}\\.$`));
      await page.keyboard.press("End");
      assert.match(await spoken.innerText(), /New posts no value \(never collected\)/);
      await page.keyboard.press("Escape");
      assert.equal(await spoken.textContent(), "");
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

  test("the whole state is in the address, and the way back leads back", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore`);
      await page.getByText("30 days", { exact: true }).click();
      await page.getByText("week", { exact: true }).click();
      await page.getByText("stacked", { exact: true }).click();
      await page.getByText("a year before", { exact: true }).click();
      const search = new URL(page.url()).search;
      assert.equal(search, "?metrics=posts_created,comments_created&days=30&by=week&as=stacked&against=year");
      await page.reload();
      await settled(page);
      for (const name of ["30 days", "week", "stacked", "a year before"])
        assert.ok(await page.getByRole("radio", { name, exact: true }).isChecked(), name);
      await page.goBack();
      assert.ok(!page.url().includes("against"));
    }));

  test("metrics are found and chosen by keyboard alone", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created`);
      await page.getByRole("button", { name: "Choose metrics" }).focus();
      await page.keyboard.press("Enter");
      await page.keyboard.type("genres");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Space");
      await page.keyboard.press("Escape");
      await page.getByRole("heading", { name: "Top genres" }).waitFor();
      assert.ok(page.url().endsWith("?metrics=posts_created,top_genres"), page.url());
    }));

  test("what is shown can be exported and copied", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/explore?metrics=posts_created&from=${day(30)}&to=${day(10)}`);
      for (const [name, begin] of [
        ["CSV", "metric_date,"],
        ["JSON", "["],
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
      const text = await dialog.innerText();
      await samplesWork(site, dialog);
      assert.ok(text.includes("curl --header") && text.includes(".from(\"daily_metrics\")") && text.includes("FROM daymark.daily_metrics"), text);
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
      assert.ok(!(await page.getByRole("navigation").isVisible()));
      assert.ok((await page.pdf()).length > 10_000);
    }));

  test("a chosen theme stays, whatever the system's is", () =>
    withPage(browser, { colorScheme: "light" }, async (page) => {
      await open(page, site.url);
      const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const light = await background();
      await page.getByLabel("Theme").selectOption("dark");
      const dark = await background();
      assert.notEqual(dark, light);
      await page.reload();
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

  test("nothing moves while the first page loads", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      const shift = await page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            new PerformanceObserver((list) =>
              resolve(list.getEntries().reduce((sum, entry) => sum + (entry as unknown as { value: number }).value, 0)),
            ).observe({ type: "layout-shift", buffered: true });
            // No entry means that nothing moved.
            requestAnimationFrame(() => requestAnimationFrame(() => resolve(0)));
          }),
      );
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

  test("while the server is away the last answer stays and is marked, and comes back by itself", () =>
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
