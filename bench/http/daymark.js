// Daymark's side: a store with 400 recorded days, and `daymark serve` with its default settings except for the rate limit.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { freePort, start } from "./processes.js";

const PROGRAM = resolve(process.env.DAYMARK ?? "target/release/daymark");
const PLATFORM = new URL("platform.sql", import.meta.url);
const run = promisify(execFile);

/** Creates platform and store in one database, and returns its URL and an API key of a reader. */
export async function prepare(server, directory) {
  const database = new URL(server);
  await withClient(database, (client) => client.query("CREATE DATABASE bench"));
  database.pathname = "/bench";
  const platform = await readFile(PLATFORM, "utf8");
  await withClient(database, (client) => client.query(platform));
  const env = environment(database.href);
  const daymark = async (...words) => (await run(PROGRAM, words, { cwd: directory, env })).stdout;
  await daymark("migrate");
  await daymark("apply");
  await daymark("backfill");
  const created = await daymark("keys", "create", "--name", "bench", "--role", "reader", "--format", "json");
  await withClient(database, (client) => client.query("VACUUM ANALYZE"));
  return { url: database.href, key: JSON.parse(created).key };
}

/** Starts `daymark serve`, by default with its cache. */
export async function serve(name, database, directory, ...flags) {
  const address = `127.0.0.1:${await freePort()}`;
  const raised = ["--access-rate-limit-per-minute", "1000000000"];
  return start({
    name,
    command: [PROGRAM, "serve", "--http-listen", address, "--log-level", "info", ...raised, ...flags],
    env: environment(database),
    directory,
    url: `http://${address}`,
  });
}

function environment(database) {
  return { ...process.env, DAYMARK_PLATFORM_URL: database, DAYMARK_STORE_URL: database };
}

export async function withClient(url, use) {
  const client = new pg.Client({ connectionString: String(url) });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
