/** Platforms whose metrics are made for a measurement: one table, of which each metric counts the rows of a kind. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { day, serve, type Site } from "../harness.ts";

const TABLE = `
import datetime, random, sqlite3, sys
random.seed(1)
days, kinds = int(sys.argv[3]), int(sys.argv[4])
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, created_at TEXT NOT NULL)")
db.execute("CREATE INDEX things_created ON things (created_at)")
last = datetime.date.fromisoformat(sys.argv[2])
rows = [("k%d" % kind, "%sT12:00:00Z" % (last - datetime.timedelta(days=age)))
        for age in range(days) for kind in range(kinds) for _ in range(random.randrange(0, kind % 20 + 2))]
db.executemany("INSERT INTO things (kind, created_at) VALUES (?, ?)", rows)
db.commit()`;

/** Serves a platform of that many days and metrics, all of it recorded. */
export async function generated(days: number, metrics: number): Promise<{ site: Site; names: string[] }> {
  const home = join(mkdtempSync(join(tmpdir(), "daymark-figures-")), "demo");
  mkdirSync(home);
  execFileSync("python3", ["-c", TABLE, join(home, "platform.db"), day(1), String(days), String(metrics)]);
  const names = Array.from({ length: metrics }, (_, kind) => `kind_${kind}`);
  const sections = names.map(
    (name, kind) =>
      `[metrics.${name}]\nmeasure = "created"\nsource = "things"\nfilter = { kind = "k${kind}" }\n` +
      `description = "Rows of the kind ${kind}, which are counted on the day that they were created."\n` +
      `dashboard = { group = "Kinds ${String(Math.floor(kind / 50)).padStart(2, "0")}" }\n`,
  );
  const head = `preset = "none"\n[platform]\nurl = "sqlite:platform.db"\n[store]\nurl = "sqlite:daymark.db"\n[sources.things]\ntable = "things"\ntime_column = "created_at"\n`;
  writeFileSync(join(home, "daymark.toml"), head + sections.join("\n"));
  const site = await serve(home, { prepare: [["migrate"], ["apply"], ["backfill"]] });
  return { site, names };
}
