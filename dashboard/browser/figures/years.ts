/** Ten years of twenty series: what an answer weighs, and how long the page is busy with the pointer. */
import type { Browser, Page } from "playwright-core";

import { day, open, remove, settled } from "../harness.ts";
import { generated } from "./platform.ts";
import { percentile, report } from "./report.ts";

const [SERIES, YEARS] = [20, 10];
const [MOVES, STEPS] = [300, 20];

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

/** How long the page is busy until it shows another range, which is before the server's answer, with the layout that follows. */
async function steps(page: Page): Promise<number[]> {
  const times: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const name = step % 2 ? "Later" : "Earlier";
    times.push(
      await page.evaluate(async (name) => {
        const panels = document.querySelector(".panels") as HTMLElement;
        const button = [...document.querySelectorAll("button")].find((one) => one.textContent === name);
        const began = performance.now();
        const drawn = new Promise<number>((resolve) => {
          const observer = new MutationObserver(() => {
            observer.disconnect();
            void document.body.offsetHeight;
            resolve(performance.now() - began);
          });
          observer.observe(panels, { subtree: true, childList: true, attributes: true, characterData: true });
        });
        button?.click();
        return await drawn;
      }, name),
    );
    await settled(page);
  }
  return times;
}

export async function manyYears(browser: Browser): Promise<void> {
  const { site, names } = await generated(365 * YEARS, SERIES);
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const answers: Promise<number>[] = [];
    page.on("requestfinished", (request) => {
      if (request.url().includes("/api/v1/metrics")) answers.push(request.sizes().then((sizes) => sizes.responseBodySize));
    });
    const [from, to] = [day(365 * YEARS), day(1)];
    await open(page, `${site.url}/explore?metrics=${names.join(",")}&from=${from}&to=${to}`);
    await page.locator(".plot").first().waitFor();
    const largest = Math.max(...(await Promise.all(answers)));
    report(`${YEARS} years of ${SERIES} series, thinned to months: the largest answer`, largest, "bytes", { atMost: 30_000 });
    report("… a move of the pointer, 95 of 100 within", percentile(await moves(page, false), 0.95), "ms", { atMost: 16 });
    report("… a step of marking a part, 95 of 100 within", percentile(await moves(page, true), 0.95), "ms", { atMost: 16 });
    report("… moving in time, until the other range is drawn, 95 of 100 within", percentile(await steps(page), 0.95), "ms", { atMost: 16 });
    const drawn: number[] = [];
    for (let step = 0; step < STEPS; step++) {
      const began = Date.now();
      const before = page.url();
      await page.getByRole("button", { name: step % 2 ? "Later" : "Earlier" }).click();
      await page.waitForFunction((url) => location.href !== url, before);
      await settled(page);
      drawn.push(Date.now() - began);
    }
    report("… moving in time, with the server's answer, 95 of 100 within", percentile(drawn, 0.95), "ms");
    await context.close();
  } finally {
    await remove(site);
  }
}
