/** A server with the data of the demonstration, and a browser that looks at it. */
import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from "playwright-core";

export const program = process.env.DAYMARK_TEST_PROGRAM ?? "../target/debug/daymark";
export const browserPath = process.env.DAYMARK_TEST_CHROMIUM ?? "/usr/bin/chromium";
/** Days between the end of the demonstration's record and yesterday: a gap that a backfill fills. */
export const MISSING_DAYS = 4;

/** How long a state that an action brings about is waited for. */
const PATIENCE_MS = 20_000;
/**
 * How many times slower the processor and the network are for the pages of the tests, from the environment. A slow page shows what a
 * test does not wait for.
 */
const SLOWDOWN = Number(process.env.DAYMARK_TEST_SLOWDOWN ?? 1);
const SLOW_LATENCY_MS = 20;

/** Names and labels that a page is to show as they are. */
export const HOSTILE = [
  `<script>document.title = "taken"</script><img src=x onerror="document.title='taken'">`,
  "\u202eevil \u05d0\u05d1\u05d2 right to left",
  "x".repeat(200),
  "🎷 {{name}} ${name} %s",
];

const DAY_MS = 86_400_000;
/** A day may be recorded this long after its end. */
const SETTLE_MS = 15 * 60_000;
export const day = (before: number) => new Date(Date.now() - SETTLE_MS - before * DAY_MS).toISOString().slice(0, 10);

export interface Site {
  url: string;
  directory: string;
  /** API keys, if the site has any. */
  keys: { reader: string; admin: string };
  /** What a command of Daymark prints. */
  run(...words: string[]): string;
  /** What the API answers, without any cache. */
  api<T>(path: string): Promise<T>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface SiteOptions {
  days?: number;
  /** How many of the last days are not recorded. */
  missing?: number;
  /** The URL of an empty PostgreSQL database that is to be the store; without it the store is the demonstration's SQLite file. */
  storeUrl?: string | undefined;
  /** Whether the server requires one of `keys`. */
  hasKeys?: boolean;
  /** How many recorded days are counted again each night; by default those of the program. */
  sampleDays?: number;
  /** What is simulated; by default a community. */
  preset?: string;
  /** Further settings of the server, as variables of the environment. */
  settings?: Record<string, string>;
}

/** Tests ask more often than a user does; one of them runs with the default. */
const NO_RATE_LIMIT = { DAYMARK_ACCESS_RATE_LIMIT_PER_MINUTE: "1000000" };

/** Records days that end some days ago, and serves them. */
export async function demonstration(options: SiteOptions = {}): Promise<Site> {
  const { days = 100, missing = MISSING_DAYS, storeUrl, hasKeys = false, sampleDays, preset = "community", settings } = options;
  const home = join(mkdtempSync(join(tmpdir(), "daymark-dashboard-")), "demo");
  const until = day(1 + missing);
  execFileSync(program, ["demo", "--preset", preset, "--dir", home, "--days", String(days), "--until", until], { stdio: "ignore" });
  const prepare = storeUrl === undefined ? [] : [["migrate"], ["apply"], ["backfill", "--to", until]];
  // The schedule would fill what is to be missing.
  return await serve(home, { prepare, storeUrl, hasKeys, sampleDays, settings, hasSchedule: missing === 0 });
}

interface ServeOptions {
  /** Commands that are run before the server starts. */
  prepare?: string[][];
  storeUrl?: string | undefined;
  hasKeys?: boolean;
  hasSchedule?: boolean;
  sampleDays?: number | undefined;
  settings?: Record<string, string> | undefined;
}

/** Serves the daymark.toml in `home`, which is in a temporary directory of its own. */
export async function serve(home: string, options: ServeOptions = {}): Promise<Site> {
  const { prepare = [], storeUrl, hasKeys = false, hasSchedule = true, sampleDays, settings = {} } = options;
  const store = storeUrl === undefined ? {} : { DAYMARK_STORE_URL: storeUrl };
  const run = (...words: string[]): string => {
    const config = ["--config", join(home, "daymark.toml")];
    const output = { env: { PATH: process.env.PATH, ...store }, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] } as const;
    return execFileSync(program, [...config, ...words], output);
  };
  for (const words of prepare) run(...words);
  const key = (role: string): string => {
    const said = run("--format", "json", "keys", "create", "--name", role, "--role", role);
    return /dm_[\w.-]+/.exec(said)?.[0] ?? assert.fail(said);
  };
  const keys = hasKeys ? { reader: key("reader"), admin: key("admin") } : { reader: "", admin: "" };
  let child: ChildProcess;
  let port = 0;
  const site: Site = {
    url: "",
    directory: home,
    run,
    keys,
    async api<T>(path: string): Promise<T> {
      const response = await fetch(site.url + path);
      assert.ok(response.ok, `${path}: ${response.status}`);
      return (await response.json()) as T;
    },
    async start() {
      child = spawn(program, ["--config", join(home, "daymark.toml"), "serve"], {
        stdio: ["ignore", "ignore", "pipe"],
        env: {
          PATH: process.env.PATH,
          ...store,
          DAYMARK_HTTP_LISTEN: `127.0.0.1:${port}`,
          DAYMARK_SCHEDULE_ENABLED: String(hasSchedule),
          ...(sampleDays === undefined ? {} : { DAYMARK_DRIFT_SAMPLE_DAYS: String(sampleDays) }),
          ...NO_RATE_LIMIT,
          ...settings,
        },
      });
      assert.ok(child.stderr);
      const said: string[] = [];
      for await (const line of createInterface({ input: child.stderr })) {
        said.push(line);
        const address = /listening on http:\/\/([^;\s]+)/.exec(line)?.[1];
        if (!address) continue;
        site.url = `http://${address}`;
        port = Number(address.split(":").at(-1));
        // The pipe is read to its end, because a full one would block the server.
        child.stderr.resume();
        return;
      }
      assert.fail(`the server does not start: ${said.join("\n")}`);
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
  await site.start();
  return site;
}

export async function remove(site: Site): Promise<void> {
  await site.stop();
  rmSync(join(site.directory, ".."), { recursive: true, force: true });
}

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
}

/** A page whose errors, failed scripts and violations of the policy fail the test that called `use`. */
export async function withPage(
  browser: Browser,
  options: BrowserContextOptions,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "UTC", ...options });
  const complaints: string[] = [];
  const page = await context.newPage();
  if (SLOWDOWN > 1) await slowDown(page);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // The browser reports answers with errors and a server that is away by itself.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  try {
    await use(page);
  } finally {
    await context.close();
  }
  assert.deepEqual(complaints, []);
}

async function slowDown(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: SLOWDOWN });
  await session.send("Network.enable");
  const latency = SLOW_LATENCY_MS * SLOWDOWN;
  await session.send("Network.emulateNetworkConditions", { offline: false, latency, downloadThroughput: -1, uploadThroughput: -1 });
}

/**
 * Reads on each frame of the page until `check` accepts the value, and returns it; after `PATIENCE_MS` it fails as `check` did. What an
 * action brings about comes in a later task of the page, so that reading once right after the action is a race.
 */
export async function until<T>(page: Page, read: () => Promise<T>, check: (value: T) => void): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const value = await read();
    try {
      check(value);
      return value;
    } catch (failure) {
      if (performance.now() > deadline) throw failure;
    }
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
}

/** Waits until what is read equals what is expected. */
export async function becomes<T>(page: Page, read: () => Promise<T>, expected: T, message?: string): Promise<void> {
  await until(page, read, (value) => assert.deepEqual(value, expected, message && `${message}: ${JSON.stringify(value)}`));
}

/** Waits until the text that is read matches. */
export async function matches(page: Page, read: () => Promise<string>, pattern: RegExp): Promise<void> {
  await until(page, read, (text) => assert.match(text, pattern));
}

/** Waits until the text that is read has each of the parts. */
export async function includes(page: Page, read: () => Promise<string>, ...parts: string[]): Promise<void> {
  await until(page, read, (text) => assert.deepEqual(parts.filter((part) => !text.includes(part)), [], text));
}

/** Waits until the element has the focus. */
export async function hasFocus(element: Locator): Promise<void> {
  await becomes(element.page(), () => element.evaluate((element) => element === document.activeElement), true, `the focus is on ${element}`);
}

/** Opens a page and waits until what it asked for is shown. */
export async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await settled(page);
}

/** Opens the table of the chart `name`, whose rows are made when it opens. */
export async function showTable(page: Page, name: string): Promise<void> {
  await page.getByText(`Table of ${name}`).click();
  await page.locator(".numbers tbody").first().waitFor();
}

export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(
    () => !document.querySelector(".skeleton, [aria-busy='true']") && document.querySelector("main h1, main h2"),
  );
}

const axeSource = execFileSync("cat", [createRequire(import.meta.url).resolve("axe-core/axe.min.js")], {
  encoding: "utf8",
  maxBuffer: 8 * 1024 * 1024,
});

interface AxeResults {
  violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[];
}

/** Fails with what axe finds, of whatever impact. */
export async function accessible(page: Page, what: string): Promise<void> {
  await page.evaluate(axeSource);
  const results = await page.evaluate(
    () => (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  const found = results.violations.flatMap(({ id, nodes }) =>
    nodes.slice(0, 3).map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ""}`),
  );
  assert.deepEqual(found, [], what);
}

/** Fails where the page is wider than its window. */
export async function fits(page: Page, what: string): Promise<void> {
  const beyond = await page.evaluate(() => {
    if (document.documentElement.scrollWidth <= window.innerWidth) return [];
    const all = [...document.querySelectorAll("main *, header *")];
    return all.filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1).map((one) => one.outerHTML.slice(0, 80));
  });
  assert.deepEqual(beyond.slice(0, 5), [], `${what} is wider than the window`);
}

/** The rows of a CSV file (RFC 4180), the header first. */
export function csvRows(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? plain ?? "");
    if (end === ",") continue;
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  }
  return rows;
}

/** How far what was shown has moved since the page was opened, as the Layout Instability API measures it. */
export async function layoutShift(page: Page): Promise<number> {
  return await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) =>
          resolve(list.getEntries().reduce((sum, entry) => sum + (entry as unknown as { value: number }).value, 0)),
        ).observe({ type: "layout-shift", buffered: true });
        // No entry means that nothing moved.
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(0)));
      }),
  );
}

/** Signs in on the page that asks for it. */
export async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel("API key or token").fill(key);
  await page.keyboard.press("Enter");
}

/** Signs in with the key of the role at the path, and waits until the page is shown. */
export async function signInAs(page: Page, site: Site, role: keyof Site["keys"], path = "/"): Promise<void> {
  await page.goto(site.url + path);
  await signIn(page, site.keys[role]);
  await isSignedIn(page, role);
}

/** Waits until the page knows the role of its user and shows what that role may see. */
export async function isSignedIn(page: Page, role: string): Promise<void> {
  await page.getByRole("button", { name: `Signed in as ${role}` }).waitFor();
  await settled(page);
}

/** Replaces the stream of events by one that `tell` writes to. Call it before the page is opened. */
export async function withToldEvents(page: Page): Promise<void> {
  // As a text, because functions are compiled with helpers that the page does not have.
  const content = `
    window.EventSource = class extends EventTarget {
      static CLOSED = 2;
      readyState = 1;
      constructor() {
        super();
        window.told = this;
        queueMicrotask(() => this.onopen?.());
      }
      close() {
        this.readyState = 2;
      }
    };`;
  await page.addInitScript({ content });
}

/** Tells the page an event of the server, as the stream would. */
export async function tell(page: Page, name: string, data: object): Promise<void> {
  await page.evaluate(
    ({ name, data }) => (window as unknown as { told: EventTarget }).told.dispatchEvent(new MessageEvent(name, { data })),
    { name, data: JSON.stringify(data) },
  );
}
