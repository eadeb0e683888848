/** The scores of Lighthouse, which `bench/dashboard` has as a package of its own, because tests do without it. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

import { browserPath, type Site } from "../harness.ts";
import { report } from "./report.ts";

const FOLDER = "../bench/dashboard";
const PAGES = [
  { path: "/", name: "the overview" },
  { path: "/explore", name: "Explore" },
];

interface Scores {
  categories: Record<string, number>;
  /** What costs points: the audit and what it says. */
  lost: string[];
}

export function lighthouse(site: Site): void {
  if (!existsSync(`${FOLDER}/node_modules/lighthouse`)) {
    console.log("Lighthouse is left out: scripts/node-packages bench/dashboard installs it");
    return;
  }
  for (const { path, name } of PAGES) {
    const said = execFileSync("node", ["lighthouse.js", site.url + path, browserPath], { cwd: FOLDER, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
    const { categories, lost } = JSON.parse(said) as Scores;
    for (const [category, score] of Object.entries(categories)) report(`Lighthouse, ${name}: ${category}`, score, "of 100", { atLeast: 100 });
    for (const line of lost) console.log(`  ${line}`);
  }
}
