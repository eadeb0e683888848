/**
 * Measures what the dashboard costs, in Chromium against a running Daymark: `npm run figures` after a build, or `make bench`, which
 * builds a release. Figures of time depend on the machine, so no test compares them.
 */
import { demonstration, launch, remove } from "./harness.ts";
import { lighthouse } from "./figures/lighthouse.ts";
import { loads } from "./figures/loads.ts";
import { manyMetrics } from "./figures/metrics.ts";
import { manyYears } from "./figures/years.ts";

const browser = await launch();
try {
  const site = await demonstration({ days: 400, missing: 0 });
  try {
    await loads(browser, site);
    lighthouse(site);
  } finally {
    await remove(site);
  }
  await manyYears(browser);
  await manyMetrics(browser);
} finally {
  await browser.close();
}
