// Starts servers, waits until they answer, and stops them when this process ends in any way.

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, truncateSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How long a server may take to answer for the first time. */
const START_MS = 30_000;
const POLL_MS = 50;

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGTERM")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => process.exit(1));
}

/** Returns a TCP port that is free at the moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const listener = createServer();
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

/**
 * Starts a server with its output in the file `log` and waits until it answers at `url` with any status but 503.
 * The server ends with this process, even if this process is killed.
 */
export async function start({ name, command, env = {}, directory, url }) {
  const log = join(directory, `${name}.log`);
  const output = openSync(log, "a");
  const child = spawn("setpriv", ["--pdeathsig", "TERM", "--", ...command], {
    cwd: directory,
    env: { ...process.env, ...env },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  running.add(child);
  let ended = null;
  child.once("error", (error) => (ended = error.message));
  child.once("exit", (code, signal) => {
    running.delete(child);
    ended ??= `exit code ${code ?? signal}`;
  });
  const failed = (why) => new Error(`${name} did not start: ${why}\n${readFileSync(log, "utf8").slice(-2000)}`);
  const deadline = Date.now() + START_MS;
  while (!(await answers(url))) {
    if (ended !== null) throw failed(ended);
    if (Date.now() > deadline) throw failed(`no answer at ${url} in ${START_MS / 1000} s`);
    await sleep(POLL_MS);
  }
  return { name, url, pid: child.pid, log };
}

async function answers(url) {
  try {
    // PostgREST answers 503 until it has read the schema.
    return (await fetch(url)).status !== 503;
  } catch {
    return false;
  }
}

/** Empties a log. Logs are written as in production, but are not needed afterwards. */
export function emptyLog({ log }) {
  truncateSync(log);
}

/** Returns the seconds of processor time that a server and its children have used, without those of PostgreSQL. */
export function processorSeconds({ pid }) {
  return family(pid).reduce((sum, id) => sum + ticks(id), 0) / TICKS_PER_SECOND;
}

// The value of USER_HZ, which is 100 on every Linux that Node.js runs on.
const TICKS_PER_SECOND = 100;

function ticks(pid) {
  // The name in parentheses may contain spaces. utime and stime are the 12th and 13th field after it.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").pop().split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function family(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...children.split(" ").filter(Boolean).flatMap((child) => family(Number(child)))];
}

/** Returns the resident memory in KiB. */
export function residentKib({ pid }) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}
