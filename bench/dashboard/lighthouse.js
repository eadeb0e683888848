// lighthouse.js URL CHROMIUM: prints the scores of a page as JSON, each of 100, and what costs points. Lighthouse simulates a phone: a
// slow line and a processor a quarter as fast.
import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";

const [url, chromePath] = process.argv.slice(2);
const CATEGORIES = ["performance", "accessibility", "best-practices"];

const chrome = await launch({ chromePath, chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu"], logLevel: "silent" });
try {
  const { lhr } = await lighthouse(url, { port: chrome.port, output: "json", logLevel: "error", onlyCategories: CATEGORIES });
  if (lhr.runtimeError) throw new Error(lhr.runtimeError.message);
  const categories = Object.fromEntries(CATEGORIES.map((name) => [name, Math.round(100 * (lhr.categories[name]?.score ?? 0))]));
  const weighed = CATEGORIES.flatMap((name) => lhr.categories[name]?.auditRefs ?? []).filter(({ weight }) => weight > 0);
  const lost = weighed.flatMap(({ id }) => {
    const audit = lhr.audits[id];
    return audit && audit.score !== null && audit.score < 1 ? [`${id}: ${audit.displayValue ?? audit.title} (${audit.score})`] : [];
  });
  console.log(JSON.stringify({ categories, lost }));
} finally {
  await chrome.kill();
}
