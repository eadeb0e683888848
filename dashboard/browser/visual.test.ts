/**
 * The main pages as pictures, light and dark, compared with those in `visual/`. The answers are those of a demonstration that
 * `visual/answers.json` holds, at the instant when they were asked for, and the letters are boxes, so that neither the day nor the
 * fonts of the machine change a picture.
 *
 * `UPDATE_PICTURES=1 npm run browser` asks a demonstration again and makes new pictures, which are to be looked at.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, describe, test } from "node:test";

import pixelmatch from "pixelmatch";
import type { Browser, Page, Route } from "playwright-core";
import { PNG } from "pngjs";

import { day, demonstration, launch, remove, settled, withPage, type Site } from "./harness.ts";

const FOLDER = join(import.meta.dirname, "visual");
const DIST = join(import.meta.dirname, "../dist");
const ANSWERS = join(FOLDER, "answers.json");
const ORIGIN = "http://daymark.test";
/** The share of the pixels that may differ: how another version of Chromium smooths edges. */
const MAX_DIFFERENT = 0.001;
const PAGES = [
  { name: "overview", path: "/" },
  { name: "explore", path: "/explore?metrics=posts_created,top_genres&days=30" },
  { name: "metrics", path: "/definitions" },
  { name: "operations", path: "/operations" },
];
const TYPES: Record<string, string> = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const isUpdate = process.env.UPDATE_PICTURES !== undefined;

interface Recorded {
  at: number;
  /** The answers by the path and the query of their questions. */
  answers: Record<string, unknown>;
}

const font = readFileSync(join(FOLDER, "boxes.ttf")).toString("base64");
/** Letters are boxes, and controls have no look of the system. */
const STYLE = `<style>
  @font-face { font-family: Boxes; src: url(data:font/ttf;base64,${font}); }
  *, ::before, ::after {
    font-family: Boxes !important; font-synthesis: none !important; animation: none !important; transition: none !important;
  }
  select, input { appearance: none !important; }
  ::-webkit-calendar-picker-indicator { display: none; }
</style>`;

describe("the pictures of the main pages", () => {
  let browser: Browser;
  let site: Site | undefined;
  let recorded: Recorded;
  before(async () => {
    browser = await launch();
    if (!isUpdate) {
      recorded = JSON.parse(readFileSync(ANSWERS, "utf8")) as Recorded;
      return;
    }
    site = await demonstration({ days: 60, missing: 2 });
    site.run("correct", "posts_created", "--date", day(12), "--value", "4", "--reason", "spam was counted", "--yes");
    site.run("correct", "posts_created", "--date", day(9), "--withdraw", "--reason", "the import failed", "--yes");
    site.run("annotations", "add", day(20), "Release 2.1");
    recorded = { at: Date.now(), answers: {} };
  });
  after(async () => {
    await browser?.close();
    if (!site) return;
    await remove(site);
    const lines = Object.entries(recorded.answers).map(([path, answer]) => `    ${JSON.stringify(path)}: ${JSON.stringify(answer)}`);
    writeFileSync(ANSWERS, `{\n  "at": ${recorded.at},\n  "answers": {\n${lines.join(",\n")}\n  }\n}\n`);
  });

  async function serve(route: Route): Promise<void> {
    const { pathname, search } = new URL(route.request().url());
    if (pathname === "/api/v1/events") return route.abort();
    if (pathname.startsWith("/api/")) {
      const asked = pathname + search;
      if (site) recorded.answers[asked] ??= await site.api(asked);
      const answer = recorded.answers[asked];
      assert.ok(answer !== undefined, `answers.json does not have ${asked}: make it anew with UPDATE_PICTURES=1`);
      return route.fulfill({ json: answer });
    }
    const file = join(DIST, pathname);
    if (TYPES[extname(pathname)] && existsSync(file)) return route.fulfill({ path: file, contentType: TYPES[extname(pathname)] as string });
    const html = readFileSync(join(DIST, "index.html"), "utf8").replace("</head>", `${STYLE}</head>`);
    return route.fulfill({ body: html, contentType: "text/html" });
  }

  async function picture(page: Page, path: string): Promise<PNG> {
    await page.clock.setFixedTime(recorded.at);
    // A question without an answer fails the test, not only the request.
    let failure: unknown;
    await page.route(`${ORIGIN}/**`, async (route) => {
      await serve(route).catch((error: unknown) => (failure ??= error));
    });
    await page.goto(ORIGIN + path);
    await settled(page);
    await page.waitForFunction(() => document.querySelectorAll("figure, table").length > 0 || document.querySelector("main li"));
    await page.waitForLoadState("networkidle");
    // The parts of the overview are drawn one after another.
    await settled(page);
    await page.evaluate(() => document.fonts.ready.then(() => undefined));
    if (failure !== undefined) throw failure as Error;
    return PNG.sync.read(await page.screenshot());
  }

  for (const { name, path } of PAGES)
    for (const colorScheme of ["light", "dark"] as const)
      test(`${name}, ${colorScheme}`, () =>
        withPage(browser, { colorScheme, reducedMotion: "reduce", viewport: { width: 1000, height: 1400 } }, async (page) => {
          const shown = await picture(page, path);
          const known = join(FOLDER, `${name}-${colorScheme}.png`);
          if (isUpdate) return void writeFileSync(known, PNG.sync.write(shown, { colorType: 2, deflateLevel: 9 }));
          const expected = PNG.sync.read(readFileSync(known));
          const { width, height } = expected;
          assert.deepEqual([shown.width, shown.height], [width, height]);
          const difference = new PNG({ width, height });
          const pixels = pixelmatch(expected.data, shown.data, difference.data, width, height, { threshold: 0.1 });
          if (pixels <= width * height * MAX_DIFFERENT) return;
          const folder = join(tmpdir(), "daymark-pictures");
          mkdirSync(folder, { recursive: true });
          writeFileSync(join(folder, `${name}-${colorScheme}-shown.png`), PNG.sync.write(shown));
          writeFileSync(join(folder, `${name}-${colorScheme}-difference.png`), PNG.sync.write(difference));
          assert.fail(`${pixels} pixels differ from ${known}; ${folder} has the picture and the difference`);
        }));
});
