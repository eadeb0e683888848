/** Makes the screenshots of the README: `npm run screenshots` after a build, with the data of the demonstration. */
import { mkdirSync } from "node:fs";

import { demonstration, launch, open, remove } from "./harness.ts";

const FOLDER = "../docs/screenshots";
const SHOTS = [
  { name: "overview-light", path: "/", colorScheme: "light" },
  { name: "overview-dark", path: "/", colorScheme: "dark" },
  { name: "explore-light", path: "/explore?metrics=posts_created,top_genres&by=week&as=stacked&days=365", colorScheme: "light" },
  { name: "operations-dark", path: "/operations", colorScheme: "dark" },
] as const;

mkdirSync(FOLDER, { recursive: true });
const [site, browser] = await Promise.all([demonstration({ days: 420, missing: 0 }), launch()]);
try {
  for (const { name, path, colorScheme } of SHOTS) {
    const context = await browser.newContext({ colorScheme, locale: "en-GB", viewport: { width: 1200, height: 820 } });
    const page = await context.newPage();
    await open(page, site.url + path);
    await page.screenshot({ path: `${FOLDER}/${name}.png` });
    await context.close();
  }
} finally {
  await browser.close();
  await remove(site);
}
