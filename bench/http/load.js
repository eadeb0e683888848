// Load from wrk. A connection sends its next request after the answer to the last one, either at once or after a pause, as a
// human reader would.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { emptyLog, processorSeconds } from "./processes.js";

const SCRIPT = fileURLToPath(new URL("wrk.lua", import.meta.url));
const run = promisify(execFile);

/** Returns requests a second, the 99th percentile of their times, and the processor time of the server without PostgreSQL. */
export async function load({ name, server, url, headers }, { seconds, connections, thinkMs = 0 }) {
  const before = processorSeconds(server);
  const given = Object.entries(headers).flatMap(([header, value]) => ["-H", `${header}: ${value}`]);
  const words = ["--pdeathsig", "TERM", "--", "wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "30s", "-s", SCRIPT, ...given, url];
  const { stdout } = await run("setpriv", words, { env: { ...process.env, THINK_MS: String(thinkMs) } });
  const { requests, duration_us, p99_us, failed } = JSON.parse(stdout.trim().split("\n").pop());
  emptyLog(server);
  if (failed > 0 || requests === 0) throw new Error(`${name}: ${failed} of ${requests} requests failed\n${stdout}`);
  return {
    perSecond: requests / (duration_us / 1e6),
    p99Ms: p99_us / 1000,
    processorUs: ((processorSeconds(server) - before) * 1e6) / requests,
  };
}
