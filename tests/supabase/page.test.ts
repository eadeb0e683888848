// The page of docs/supabase-js.md in Chromium, against a server that tests/rest/page.rs starts, whose clock stands at noon of
// 11 January 2025. The page comes from http://app.example.com, which the server permits (`http.cors_origins`), and from
// http://other.example.com, which it does not. Its users are signed in at Supabase: their session is in the browser's storage.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core';

const NOON = Date.parse('2025-01-11T12:00:00Z');
const given = (name: string) => process.env[`DAYMARK_TEST_${name}`]!;

let browser: Browser;
let stop: () => void;

/** What the bundler of an application does. */
async function bundled(): Promise<string> {
  const variables = {
    NEXT_PUBLIC_SUPABASE_URL: 'http://project.example.com',
    NEXT_PUBLIC_SUPABASE_ANON_KEY: given('ANON_KEY'),
    NEXT_PUBLIC_METRICS_URL: given('URL'),
    NODE_ENV: 'production',
  };
  const result = await build({
    entryPoints: ['analytics-page.tsx'],
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    define: Object.fromEntries(Object.entries(variables).map(([name, value]) => [`process.env.${name}`, JSON.stringify(value)])),
  });
  return result.outputFiles[0].text;
}

before(async () => {
  const script = await bundled();
  const html = '<!doctype html><title>Analytics</title><div id="analytics"></div><script type="module" src="/page.js"></script>';
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : html);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  stop = () => server.close();
  const { port } = server.address() as { port: number };
  const rules = `MAP app.example.com 127.0.0.1:${port}, MAP other.example.com 127.0.0.1:${port}`;
  browser = await chromium.launch({
    executablePath: given('CHROMIUM'),
    args: ['--no-sandbox', `--host-resolver-rules=${rules}`],
  });
});

after(async () => {
  await browser?.close();
  stop?.();
});

/** The browser of a user with that token; none: of a visitor who is not signed in. */
async function visitor(token?: string): Promise<BrowserContext> {
  const context = await browser.newContext();
  await context.clock.setFixedTime(NOON);
  if (token) {
    const session = { access_token: token, refresh_token: 'r', token_type: 'bearer', expires_in: 3600, expires_at: NOON / 1000 + 3600, user: { id: 'u' } };
    await context.addInitScript((text) => localStorage.setItem('sb-project-auth-token', text), JSON.stringify(session));
  }
  return context;
}

async function open(context: BrowserContext, origin = 'http://app.example.com'): Promise<Page> {
  const page = await context.newPage();
  await page.goto(origin);
  return page;
}

const status = (page: Page, text: RegExp) => page.getByRole('status').filter({ hasText: text }).waitFor();

test('a signed-in user sees the totals and the activity of the last 30 days', async () => {
  const context = await visitor(given('USER_TOKEN'));
  const page = await open(context);
  await page.getByText('2025-01-10').waitFor();
  assert.deepEqual(await page.locator('dd').allInnerTexts(), ['2', '55', '10']);
  const rows = await page.locator('tr').allInnerTexts();
  assert.equal(rows.length, 10);
  assert.match(rows.at(-1)!, /^2025-01-10\s+10\s+1/);
  await context.close();
});

test('a second look is answered from the browser\'s cache, which asks the server whether anything has changed', async () => {
  const context = await visitor(given('USER_TOKEN'));
  const page = await open(context);
  await page.getByText('2025-01-10').waitFor();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  const asked = new Map<string, string>();
  const statuses: number[] = [];
  session.on('Network.requestWillBeSent', (event) => asked.set(event.requestId, `${event.request.method} ${event.request.url}`));
  session.on('Network.responseReceivedExtraInfo', (event) => {
    if (asked.get(event.requestId)?.startsWith(`GET ${given('URL')}`)) statuses.push(event.statusCode);
  });
  await page.reload();
  await page.getByText('2025-01-10').waitFor();
  // The browser reports the statuses by a way of its own, which may be later than the page.
  const deadline = Date.now() + 10_000;
  while (statuses.length < 2 && Date.now() < deadline) await page.evaluate(() => new Promise(requestAnimationFrame));
  assert.deepEqual(statuses, [304, 304]);
  await context.close();
});

test('a user may not start a collection, and an admin may', async () => {
  const reader = await visitor(given('USER_TOKEN'));
  const refused = await open(reader);
  await refused.getByRole('button', { name: 'Collect now' }).click();
  await status(refused, /^Nothing was recorded: ./);
  await reader.close();
  const admin = await visitor(given('ADMIN_TOKEN'));
  const page = await open(admin);
  await page.getByRole('button', { name: 'Collect now' }).click();
  await status(page, /^0 metrics of 2025-01-10 were recorded\.$/);
  await admin.close();
});

test('a visitor who is not signed in gets a message', async () => {
  const context = await visitor();
  await status(await open(context), /^The metrics cannot be read: ./);
  await context.close();
});

test('the browser keeps the answers from a page of another origin', async () => {
  const context = await visitor(given('USER_TOKEN'));
  await status(await open(context, 'http://other.example.com'), /^The metrics cannot be read: .*Failed to fetch/);
  await context.close();
});
