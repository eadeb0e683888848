/** The first load of the overview: how long until its largest content is painted, how many bytes and requests it costs. */
import type { Browser } from "playwright-core";

import { open, type Site } from "../harness.ts";
import { percentile, report } from "./report.ts";

const LOADS = 7;

interface Painted {
  ms: number;
  /** The element. */
  element: string;
}

/** When the largest content of a first load was painted. */
async function largestPaint(browser: Browser, url: string, isSlow: boolean): Promise<Painted> {
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
      new Promise<{ ms: number; element: string }>((resolve) =>
        new PerformanceObserver((list) => {
          const last = list.getEntries().at(-1) as (PerformanceEntry & { element?: Element }) | undefined;
          resolve({ ms: last?.startTime ?? NaN, element: last?.element?.outerHTML.slice(0, 60) ?? "" });
        }).observe({ type: "largest-contentful-paint", buffered: true }),
      ),
  );
  await context.close();
  return painted;
}

export async function loads(browser: Browser, site: Site): Promise<void> {
  for (const [isSlow, name, atMost] of [
    [false, "largest paint of the overview, on the loopback", 300],
    [true, "… at 1.6 Mbit/s, 150 ms and a quarter of the processor", 1500],
  ] as const) {
    const painted: Painted[] = [];
    for (let load = 0; load < LOADS; load++) painted.push(await largestPaint(browser, site.url, isSlow));
    report(`${name} (median of ${LOADS})`, percentile(painted.map(({ ms }) => ms), 0.5), "ms", { atMost });
    if (process.env.DAYMARK_FIGURES_DETAIL) console.log(painted);
  }
  const context = await browser.newContext();
  const page = await context.newPage();
  const files: Promise<number>[] = [];
  let requests = 0;
  page.on("request", () => requests++);
  page.on("requestfinished", (request) => {
    if (!request.url().includes("/api/")) files.push(request.sizes().then((sizes) => sizes.responseBodySize));
  });
  await open(page, site.url);
  report("first load: HTML, CSS and JavaScript", (await Promise.all(files)).reduce((sum, size) => sum + size, 0), "bytes", { atMost: 90_000 });
  report("first load: requests, with the stream of events", requests, "requests", { atMost: 15 });
  await context.close();
}
