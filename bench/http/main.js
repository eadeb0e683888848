// Measures `daymark serve` beside nginx, PostgREST and fastify on one PostgreSQL server; see ../README.md.
// Run it with `make bench` or with ./run, which installs what it needs.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepare, serve } from "./daymark.js";
import { load } from "./load.js";
import { memory } from "./memory.js";
import { ACTIVITY_PATH, answer, sameNumbers, sides } from "./questions.js";
import { progress, report, text } from "./report.js";
import * as rivals from "./rivals.js";

const FULL = { rounds: 5, seconds: 2, pacedSeconds: 2, memorySeconds: 30 };
const QUICK = { rounds: 3, seconds: 2, pacedSeconds: 1, memorySeconds: 10 };
const WARM_UP_SECONDS = 1;
const CONNECTIONS = 32;
/** The mean pause of a client before its next request when times are compared. 32 clients send at most 4000 requests a second. */
const THINK_MS = 8;

const given = new Set(process.argv.slice(2));
const unknown = [...given].find((word) => !["--quick", "--json"].includes(word));
const server = process.env.DAYMARK_TEST_POSTGRES;
if (unknown !== undefined || !server) {
  console.error(unknown ? `\`${unknown}\` is none of --quick and --json` : "DAYMARK_TEST_POSTGRES is not set: run `make bench`");
  process.exit(2);
}

const say = (words) => console.error(`http: ${words}`);
try {
  const measured = await measure(given.has("--quick") ? QUICK : FULL);
  console.log(given.has("--json") ? JSON.stringify(measured, null, 2) : text(measured));
  process.exit(0);
} catch (error) {
  say(error.message);
  process.exit(1);
}

async function measure({ rounds, seconds, pacedSeconds, memorySeconds }) {
  // scripts/with-postgres removes its directory also after a failure or a kill.
  const directory = await mkdtemp(join(process.env.DAYMARK_TEST_POSTGRES_HOME ?? tmpdir(), "http-"));
  say("recording 400 days");
  const { url, key } = await prepare(server, directory);
  const asked = await startAll(url, key, directory);
  await sameNumbers(asked);

  say("warming up");
  for (const side of Object.values(asked)) await load(side, { seconds: WARM_UP_SECONDS, connections: CONNECTIONS });
  const measured = [];
  for (let round = 0; round < rounds; round++) {
    say(`round ${round + 1} of ${rounds}`);
    const turns = Object.entries(asked);
    // Every other round has the reverse order, so that no side always runs after the same one.
    if (round % 2 === 1) turns.reverse();
    const figures = {};
    for (const [id, side] of turns) {
      const full = await load(side, { seconds, connections: CONNECTIONS });
      const paced = await load(side, { seconds: pacedSeconds, connections: CONNECTIONS, thinkMs: THINK_MS });
      figures[id] = { ...full, pacedP99Ms: paced.p99Ms, pacedPerSecond: paced.perSecond };
    }
    measured.push(figures);
    for (const line of progress(asked, measured)) say(line);
  }
  say("memory");
  const memories = [];
  for (const side of [asked.activityCached, asked.activity]) {
    const measuredMemory = await memory(side, memorySeconds);
    say(`${side.name}: ${measuredMemory.settled.toFixed(1)} MiB settled, ${measuredMemory.after.toFixed(1)} MiB at the end`);
    memories.push(measuredMemory);
  }
  return report(asked, measured, memories);
}

async function startAll(database, key, directory) {
  const cached = await serve("daymark", database, directory);
  const uncached = await serve("daymark-uncached", database, directory, "--http-cache", "false");
  const activity = await answer({ name: "daymark", url: cached.url + ACTIVITY_PATH, headers: { apikey: key } });
  const nginx = await rivals.nginx(activity, directory);
  const postgrest = await rivals.postgrest(database, directory);
  const fastify = await rivals.fastify(database, directory);
  const { from, to } = JSON.parse(activity);
  return sides({ cached, uncached, nginx, postgrest, fastify, key, from, to });
}
