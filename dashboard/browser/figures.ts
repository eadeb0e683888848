/**
 * Measures what the dashboard costs, in Chromium against a running Daymark: `npm run figures` after a build. Figures of time depend
 * on the machine, so no test compares them.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";

import { day, demonstration, launch, open, remove, serve, settled, type Site } from "./harness.ts";

const SERIES = 20;
const YEARS = 10;
const LOADS = 7;
const MOVES = 300;

type Unit = "ms" | "bytes" | "requests";
const percentile = (values: number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? NaN;
function report(name: string, value: number, unit: Unit, target: string): void {
  const shown = unit === "ms" ? value.toFixed(1) : value.toLocaleString("en-GB");
  console.log(`${name.padEnd(62)} ${`${shown} ${unit}`.padStart(16)}   ${target}`);
}

/** When the largest content of a first load was painted, in milliseconds. */
async function largestPaint(browser: Browser, url: string, isSlow: boolean): Promise<number> {
  const context = await browser.newContext({ locale: "en-GB" });
  const page = await context.newPage();
  if (isSlow) {
    const session = await context.newCDPSession(page);
    const bytesPerSecond = (1.6 * 1024 * 1024) / 8;
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", {
      offline: false, latency: 150, downloadThroughput: bytesPerSecond, uploadThroughput: bytesPerSecond,
    });
    await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  }
  await open(page, url);
  const painted = await page.evaluate(
    () =>
      new Promise<number>((resolve) =>
        new PerformanceObserver((list) => resolve(list.getEntries().at(-1)?.startTime ?? NaN)).observe({
          type: "largest-contentful-paint",
          buffered: true,
        }),
      ),
  );
  await context.close();
  return painted;
}

async function loads(browser: Browser, site: Site): Promise<void> {
  for (const [isSlow, name, target] of [
    [false, "largest paint of the overview, on the loopback", "under 300"],
    [true, "… at 1.6 Mbit/s, 150 ms and a quarter of the processor", "under 1,500"],
  ] as const) {
    const times: number[] = [];
    for (let load = 0; load < LOADS; load++) times.push(await largestPaint(browser, site.url, isSlow));
    report(`${name} (median of ${LOADS})`, percentile(times, 0.5), "ms", target);
  }
  const context = await browser.newContext();
  const page = await context.newPage();
  const files: Promise<number>[] = [];
  let requests = 0;
  page.on("requestfinished", (request) => {
    requests++;
    if (!request.url().includes("/api/")) files.push(request.sizes().then((sizes) => sizes.responseBodySize));
  });
  await open(page, site.url);
  report("first load: HTML, CSS and JavaScript", (await Promise.all(files)).reduce((sum, size) => sum + size, 0), "bytes", "at most 90,000");
  report("first load: requests that ended", requests, "requests", "at most 15");
  await context.close();
}

/** A platform of ten years with a metric for each of twenty kinds of row, all of it recorded. */
async function tenYears(): Promise<{ site: Site; metrics: string[] }> {
  const directory = mkdtempSync(join(tmpdir(), "daymark-figures-"));
  const home = join(directory, "demo");
  mkdirSync(home);
  const script = `
import datetime, random, sqlite3, sys
random.seed(1)
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, created_at TEXT NOT NULL)")
db.execute("CREATE INDEX things_created ON things (created_at)")
last = datetime.date.fromisoformat(sys.argv[2])
rows = [("k%d" % kind, "%sT12:00:00Z" % (last - datetime.timedelta(days=age)))
        for age in range(365 * ${YEARS}) for kind in range(${SERIES}) for _ in range(random.randrange(0, kind + 2))]
db.executemany("INSERT INTO things (kind, created_at) VALUES (?, ?)", rows)
db.commit()`;
  execFileSync("python3", ["-c", script, join(home, "platform.db"), day(1)]);
  const metrics = Array.from({ length: SERIES }, (_, kind) => `kind_${kind}`);
  const sections = metrics.map((name, kind) => `[metrics.${name}]\nmeasure = "created"\nsource = "things"\nfilter = { kind = "k${kind}" }\n`);
  const head = `preset = "none"\n[platform]\nurl = "sqlite:platform.db"\n[store]\nurl = "sqlite:daymark.db"\n[sources.things]\ntable = "things"\ntime_column = "created_at"\n`;
  writeFileSync(join(home, "daymark.toml"), head + sections.join("\n"));
  const site = await serve(home, { prepare: [["migrate"], ["apply"], ["backfill"]] });
  return { site, metrics };
}

/** How long the page is busy with each of many moves of the pointer over the chart, with the layout that follows. */
async function moves(page: Page, isBrushing: boolean): Promise<number[]> {
  const box = await page.locator(".plot").first().boundingBox();
  if (!box) throw new Error("there is no chart");
  return await page.evaluate(
    async ({ box, isBrushing, count }) => {
      const plot = document.querySelector(".plot") as HTMLElement;
      const place = { clientX: box.x + box.width * 0.2, clientY: box.y + 80, bubbles: true, pointerType: "mouse", button: 0 };
      if (isBrushing) plot.dispatchEvent(new PointerEvent("pointerdown", place));
      const times: number[] = [];
      for (let step = 0; step < count; step++) {
        const began = performance.now();
        place.clientX = box.x + box.width * (0.2 + (0.7 * step) / count);
        plot.dispatchEvent(new PointerEvent("pointermove", place));
        // The framework draws in a microtask.
        await Promise.resolve();
        await Promise.resolve();
        void document.body.offsetHeight;
        times.push(performance.now() - began);
        if (step % 10 === 0) await new Promise(requestAnimationFrame);
      }
      plot.dispatchEvent(new PointerEvent("pointerleave", place));
      return times;
    },
    { box, isBrushing, count: MOVES },
  );
}

async function manyYears(browser: Browser): Promise<void> {
  const { site, metrics } = await tenYears();
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const answers: Promise<number>[] = [];
    page.on("requestfinished", (request) => {
      if (request.url().includes("/api/v1/metrics")) answers.push(request.sizes().then((sizes) => sizes.responseBodySize));
    });
    const [from, to] = [day(365 * YEARS), day(1)];
    await open(page, `${site.url}/explore?metrics=${metrics.join(",")}&from=${from}&to=${to}`);
    await page.locator(".plot").first().waitFor();
    report(`${YEARS} years of ${SERIES} series, thinned to months: the largest answer`, Math.max(...(await Promise.all(answers))), "bytes", "at most 30,000");
    report("… a move of the pointer, 95 of 100 within", percentile(await moves(page, false), 0.95), "ms", "under 16");
    report("… a step of marking a part, 95 of 100 within", percentile(await moves(page, true), 0.95), "ms", "under 16");
    const drawn: number[] = [];
    for (let step = 0; step < 20; step++) {
      const began = Date.now();
      const before = page.url();
      await page.getByRole("button", { name: step % 2 ? "Later" : "Earlier" }).click();
      await page.waitForFunction((url) => location.href !== url, before);
      await settled(page);
      drawn.push(Date.now() - began);
    }
    report("… moving in time, with the server's answer, 95 of 100 within", percentile(drawn, 0.95), "ms", "");
    await context.close();
  } finally {
    await remove(site);
    rmSync(join(site.directory, ".."), { recursive: true, force: true });
  }
}

const browser = await launch();
try {
  const site = await demonstration({ days: 400, missing: 0 });
  try {
    await loads(browser, site);
  } finally {
    await remove(site);
  }
  await manyYears(browser);
} finally {
  await browser.close();
}
