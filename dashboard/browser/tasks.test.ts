/** A newcomer answers six questions from what the pages show, with the mouse, and again with the keyboard alone. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";

import type { Browser, Page } from "playwright-core";

import {
  accessible, becomes, day, demonstration, fits, hasFocus, HOSTILE, includes, launch, matches, MISSING_DAYS, open, remove, settled, showTable, type Site,
  until, withPage,
} from "./harness.ts";

/** Posts of the last finished day, many times as many as usual. */
const BUSY_POSTS = 400;
const BUSY = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
row = ("Late night with velvet piano", "love the low end", "jazz", sys.argv[2] + " 12:00:00")
db.executemany("INSERT INTO posts (author_id, title, content, topic, created_at) SELECT min(id), ?, ?, ?, ? FROM profiles", [row] * int(sys.argv[3]))
tracks = [(genre, row[3]) for genre in json.loads(sys.argv[4]) for _ in range(90)]
db.executemany("INSERT INTO tracks (author_id, title, genre, duration_seconds, created_at) SELECT min(id), 'Hostile', ?, 90, ? FROM profiles", tracks)
db.commit()`;

interface SeriesAnswer {
  series: { points: { from: string; value: number | null }[] }[];
}

/** The first and the last day of a month that the demonstration has whole. */
function wholeMonth(): { from: string; to: string } {
  const last = new Date(`${day(MISSING_DAYS + 2).slice(0, 7)}-01T00:00:00Z`);
  last.setUTCDate(0);
  const to = last.toISOString().slice(0, 10);
  return { from: `${to.slice(0, 7)}-01`, to };
}

const grouped = (value: number) => value.toLocaleString("en-GB");

/** Presses Tab until the element with this name has the focus. */
async function tabTo(page: Page, name: string | RegExp): Promise<void> {
  const isIt = (text: string) => (typeof name === "string" ? text === name : name.test(text));
  for (let presses = 0; presses < 150; presses++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement & { labels?: NodeListOf<HTMLLabelElement> };
      const text = element.getAttribute("aria-label") ?? element.labels?.[0]?.innerText ?? element.textContent ?? "";
      return text.replace(/\s+/g, " ").trim();
    });
    if (isIt(focused)) return;
  }
  assert.fail(`Tab does not lead to ${name}`);
}

describe("a newcomer", () => {
  let site: Site;
  let browser: Browser;
  before(async () => {
    browser = await launch();
    site = await demonstration();
    execFileSync("python3", ["-c", BUSY, `${site.directory}/platform.db`, day(1), String(BUSY_POSTS), JSON.stringify(HOSTILE)]);
    site.run("collect");
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  test("finds how many comments there were in a month", () =>
    withPage(browser, {}, async (page) => {
      const { from, to } = wholeMonth();
      await open(page, site.url);
      await page.getByRole("link", { name: "Explore", exact: true }).first().click();
      await page.getByRole("heading", { name: "Explore" }).waitFor();
      await settled(page);
      await page.getByText("Custom", { exact: true }).click();
      for (const [name, date] of [["From", from], ["To", to]] as const) {
        await page.getByLabel(name, { exact: true }).fill(date);
        await page.waitForURL((url) => url.searchParams.get(name.toLowerCase()) === date);
      }
      await page.getByText("month", { exact: true }).click();
      await page.waitForURL(/by=month/);
      await page.getByText("table", { exact: true }).click();
      await page.waitForURL(/as=table/);
      await settled(page);
      const answer = await site.api<SeriesAnswer>(`/api/v1/metrics?category=comments_created&interval=month&from=${from}&to=${to}`);
      const value = answer.series[0]?.points[0]?.value ?? assert.fail("the month has no comments");
      const table = page.getByRole("table", { name: /New comments/ });
      const shown = async () => {
        const columns = await table.getByRole("columnheader").allInnerTexts();
        const cells = await table.getByRole("row").nth(1).getByRole("cell").allInnerTexts();
        return cells[columns.indexOf("New comments") - 1];
      };
      await becomes(page, shown, grouped(value));
    }));

  test("finds why a day is empty", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      const chart = page.getByRole("application", { name: /^Activity/ });
      await chart.focus();
      await page.keyboard.press("End");
      await page.keyboard.press("ArrowLeft");
      await matches(page, () => page.locator("figure", { has: chart }).locator("[aria-live]").innerText(), /no value \(never collected\)/);
      await page.getByRole("link", { name: "Operations" }).click();
      const gap = page.getByRole("region", { name: "Table of gaps" }).getByRole("row").nth(1);
      await matches(page, () => gap.innerText(), /never collected/);
    }));

  test("finds what the deletion of an account did", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      await page.getByRole("button", { name: "Count again now" }).click();
      const section = page.getByRole("region", { name: "Comments, counted again" });
      await matches(page, () => section.innerText(), /the value in force is [\d,]+; the platform's rows now give [\d,]+ \(−[\d,]+\)/);
    }));

  test("finds which metric is unusual this week, and by what it was judged", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      const unusual = page.getByRole("region", { name: "Unusual in the last 7 days" });
      const item = unusual.getByRole("listitem").filter({ hasText: "New posts" });
      const { anomalies } = await site.api<{ anomalies: { metric_category: string; value: number; judgement: { expected_high: number } }[] }>("/api/v1/anomalies");
      const posts = anomalies.find((anomaly) => anomaly.metric_category === "posts_created") ?? assert.fail("posts are not unusual");
      assert.equal(posts.value, BUSY_POSTS);
      await includes(page, () => item.innerText(), grouped(posts.value), `to ${grouped(Math.round(posts.judgement.expected_high))}`);
      await item.getByRole("link", { name: "New posts" }).click();
      await page.getByRole("heading", { name: "Explore" }).waitFor();
      const chart = page.getByRole("application", { name: /^New posts/ });
      // Each locator must be of one element.
      await page.locator("figure .anomaly").waitFor();
      await page.locator("figure .band").waitFor();
      await chart.focus();
      await page.keyboard.press("End");
      const spoken = page.locator("figure [aria-live]");
      await matches(page, () => spoken.innerText(), /New posts \d+(, reconstructed)?, unusual: above the expected \d+ to \d+/);
      await matches(page, () => page.locator("figure [id$=about]").innerText(), /Unusual: \d+ \(/);
      const listed = page.getByRole("region", { name: "Unusual values" }).getByRole("listitem");
      await becomes(page, () => listed.count(), 1);
      await accessible(page, "explore with an unusual value");
      // Where several metrics are shown, the unusual one is named.
      await open(page, `${site.url}/explore?metrics=posts_created,comments_created&days=30&as=bar`);
      await becomes(page, () => listed.filter({ hasText: /New posts 400/ }).count(), 1);
    }));

  test("adds posts about jazz and sees their last year", () =>
    withPage(browser, {}, async (page) => {
      await open(page, `${site.url}/definitions`);
      await becomes(page, () => page.getByRole("heading", { level: 2 }).allInnerTexts(), ["Community", "Music", "Posts and comments"]);
      await page.getByRole("link", { name: "New metric" }).click();
      await page.getByLabel(/^Category/).fill("jazz_posts");
      await page.getByLabel("Source").fill("posts");
      await page.getByText(/The columns of posts:.* topic/).waitFor();
      await page.getByLabel(/^Filter/).fill('{"topic": "jazz"}');
      await page.getByLabel(/^Name for people/).fill("Posts about jazz");
      await page.getByLabel(/^Group/).fill("Music");
      await page.getByLabel("Show it on the overview").check();
      await page.getByRole("button", { name: "Define" }).click();
      await page.getByText(/^Backfill: done, \d+ records written/).waitFor();
      // The newest values, and the statement that gives them.
      await page.getByRole("table", { name: "The newest values of Posts about jazz" }).getByRole("row").nth(7).waitFor();
      await page.getByText("The SQL that a collection runs for it").click();
      await matches(page, () => page.getByRole("region", { name: /^SQL/ }).innerText(), /jazz[\s\S]*posts/);
      await accessible(page, "a metric with its SQL");
      await page.getByRole("link", { name: "Its last year" }).click();
      await page.waitForURL(/metrics=jazz_posts&days=365/);
      await page.getByRole("heading", { name: "Explore" }).waitFor();
      await showTable(page, "Posts about jazz");
      const days = page.locator(".numbers tbody tr");
      await becomes(page, () => days.count(), 365);
      await open(page, site.url);
      const activity = page.locator("figure", { has: page.getByRole("application", { name: /^Activity/ }) });
      await includes(page, () => activity.innerText(), "Posts about jazz");
      await open(page, `${site.url}/definitions`);
      await page.getByRole("link", { name: "Posts about jazz" }).waitFor();
    }));

  test("finds who may read this", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      await matches(page, () => page.getByRole("contentinfo").innerText(), /Who may read this: every program of this machine/);
    }));

  test("sees hostile labels as they are", () =>
    withPage(browser, { viewport: { width: 320, height: 640 } }, async (page) => {
      await open(page, `${site.url}/?days=7`);
      await until(
        page,
        () => page.getByRole("table", { name: "Top genres" }).getByRole("rowheader").allInnerTexts(),
        (labels) => assert.deepEqual(HOSTILE.filter((label) => !labels.includes(label)), [], labels.join()),
      );
      await fits(page, "the overview with hostile labels");
      for (const view of ["stacked", "table"]) {
        await open(page, `${site.url}/explore?metrics=top_genres&days=7&as=${view}`);
        await fits(page, `Explore with hostile labels, ${view}`);
        await matches(page, () => page.title(), /^Explore/);
      }
      await accessible(page, "Explore with hostile labels");
    }));

  test("does all of it by keyboard", () =>
    withPage(browser, {}, async (page) => {
      await open(page, site.url);
      await page.keyboard.press("Tab");
      await becomes(page, () => page.evaluate(() => document.activeElement?.textContent), "To the content");
      await tabTo(page, "Explore");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Explore" }).waitFor();
      await settled(page);
      // Another metric is chosen.
      await tabTo(page, "Choose metrics");
      await page.keyboard.press("Enter");
      const picker = page.getByRole("dialog", { name: "Choose metrics" });
      await hasFocus(picker.getByRole("searchbox"));
      await page.keyboard.type("likes");
      await picker.getByRole("checkbox", { name: /^New posts/ }).waitFor({ state: "detached" });
      await tabTo(page, /^Likes/);
      await page.keyboard.press("Space");
      await page.waitForURL(/likes_total/);
      await page.keyboard.press("Escape");
      await picker.waitFor({ state: "hidden" });
      // The range is a choice of radio buttons, among which arrow keys move.
      await tabTo(page, /^90 ?days$/);
      await page.keyboard.press("ArrowLeft");
      await page.waitForURL(/days=30/);
      // A day is annotated.
      await tabTo(page, "Annotate a day…");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog", { name: "Annotate a day" }).waitFor();
      await tabTo(page, /^What happened/);
      await page.keyboard.type("By keyboard");
      await page.keyboard.press("Enter");
      await page.getByRole("listitem").filter({ hasText: "By keyboard" }).waitFor();
      await page.getByRole("dialog").waitFor({ state: "hidden" });
      // The gap is filled.
      await open(page, `${site.url}/operations`);
      await page.getByRole("region", { name: "Table of gaps" }).waitFor();
      await tabTo(page, /^Backfill/);
      await page.keyboard.press("Enter");
      await page.getByText(/done, \d+ records written/).waitFor();
      // A metric is defined.
      await open(page, `${site.url}/define`);
      await tabTo(page, /^Category/);
      await page.keyboard.type("typed_posts");
      await tabTo(page, /^Source/);
      await page.keyboard.type("posts");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Typed posts" }).waitFor();
    }));
});
