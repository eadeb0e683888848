/** Five hundred metrics: how long the page is busy with showing, searching and scrolling their list. */
import type { Browser, Page } from "playwright-core";

import { open, remove } from "../harness.ts";
import { generated } from "./platform.ts";
import { percentile, report } from "./report.ts";

const [METRICS, DAYS] = [500, 40];

/** How long the page is busy with each step of scrolling from top to bottom, with the layout that follows. */
async function scrolled(page: Page): Promise<number[]> {
  return await page.evaluate(async () => {
    const times: number[] = [];
    for (let top = 0; top < document.documentElement.scrollHeight; top += 400) {
      const began = performance.now();
      window.scrollTo(0, top);
      void document.body.offsetHeight;
      times.push(performance.now() - began);
      await new Promise(requestAnimationFrame);
    }
    return times;
  });
}

/** How long the page is busy with each letter of a search, with the layout that follows. */
async function searched(page: Page, text: string): Promise<number[]> {
  return await page.evaluate(async (text) => {
    const input = document.querySelector("input[type=search]") as HTMLInputElement;
    const times: number[] = [];
    for (let length = 1; length <= text.length; length++) {
      const began = performance.now();
      input.value = text.slice(0, length);
      input.dispatchEvent(new InputEvent("input", { bubbles: true }));
      await Promise.resolve();
      await Promise.resolve();
      void document.body.offsetHeight;
      times.push(performance.now() - began);
      await new Promise(requestAnimationFrame);
    }
    return times;
  }, text);
}

export async function manyMetrics(browser: Browser): Promise<void> {
  const { site } = await generated(DAYS, METRICS);
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const began = Date.now();
    await open(page, `${site.url}/definitions`);
    report(`${METRICS} metrics: until their list is shown`, Date.now() - began, "ms");
    const more = page.getByRole("button", { name: /^Show \d+ more/ });
    while (await more.isVisible()) await more.click();
    report("… a step of scrolling, 95 of 100 within", percentile(await scrolled(page), 0.95), "ms", { atMost: 16 });
    await page.evaluate(() => window.scrollTo(0, 0));
    const searches = await Promise.all([searched(page, "kind 27")]);
    report("… a letter of a search, the longest", Math.max(...searches.flat()), "ms", { atMost: 50 });
    for (const [path, name] of [
      ["/", "the overview"],
      ["/operations", "the calendar"],
    ] as const) {
      const opened = Date.now();
      await open(page, site.url + path);
      report(`… until ${name} is shown`, Date.now() - opened, "ms");
    }
    await context.close();
  } finally {
    await remove(site);
  }
}
