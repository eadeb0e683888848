/** Makes the screenshots of the README: `npm run screenshots` after a build, with the data of the demonstration. */
import { mkdirSync } from "node:fs";

import { demonstration, launch, open, remove } from "./harness.ts";

const FOLDER = "../docs/screenshots";
const SHOTS = [
  { name: "overview-light", path: "/?recount", colorScheme: "light", shows: "section[aria-label='Comments, counted again']" },
  { name: "overview-dark", path: "/?recount", colorScheme: "dark", shows: "section[aria-label='Comments, counted again']" },
  { name: "explore-light", path: "/explore?metrics=posts_created&days=90", colorScheme: "light", shows: ".band" },
  { name: "explore-dark", path: "/explore?metrics=top_genres&by=week&as=stacked&days=365", colorScheme: "dark" },
  { name: "metric-light", path: "/definitions/jazz_tracks", colorScheme: "light" },
  { name: "operations-light", path: "/operations", colorScheme: "light" },
  { name: "operations-dark", path: "/operations", colorScheme: "dark" },
] as { name: string; path: string; colorScheme: "light" | "dark"; shows?: string }[];

mkdirSync(FOLDER, { recursive: true });
const [site, browser] = await Promise.all([demonstration({ days: 420, missing: 0 }), launch()]);
try {
  for (const { name, path, colorScheme, shows } of SHOTS) {
    const context = await browser.newContext({ colorScheme, locale: "en-GB", viewport: { width: 1200, height: 820 } });
    const page = await context.newPage();
    await open(page, site.url + path);
    if (shows !== undefined) await page.locator(shows).waitFor();
    await page.screenshot({ path: `${FOLDER}/${name}.png` });
    await context.close();
  }
} finally {
  await browser.close();
  await remove(site);
}
