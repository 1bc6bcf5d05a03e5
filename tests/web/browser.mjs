// A headless Chromium with WebGPU on its software adapter, the page in it, and what the tests ask of both.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { root, serve } from '../../scripts/serve.mjs';

/** Another browser: CHROMIUM=/path/to/chrome. */
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const QUIET = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
export const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** A long run on a software adapter, on a busy machine. */
export const PATIENCE = 240_000;

export const launch = (flags = WEBGPU) => chromium.launch({ executablePath: EXECUTABLE, headless: true, args: [...QUIET, ...flags] });

/** The site and one browser, for all tests. */
export async function site() {
  if (!fs.existsSync(path.join(root, 'pkg/wasm/rangefinder.js'))) throw new Error('there is no pkg/wasm yet: build it with `make web`');
  const server = await serve();
  const browser = await launch();
  return {
    url: server.url,
    browser,
    close: async () => { await browser.close(); server.close(); },
  };
}

/**
 * The page, opened and settled. Any error in it, and any request that leaves its own server, fails the test at `page.done()`.
 * `before` runs in the page ahead of its own scripts.
 */
export async function open(at, { hash = '', width = 1280, height = 900, colorScheme = 'light', before, browser = at.browser, expected = [] } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, acceptDownloads: true });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(`error in the page: ${error.stack ?? error}`));
  page.on('console', (message) => { if (message.type() === 'error') wrong.push(`console: ${message.text()}`); });
  page.on('request', (request) => { if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(at.url)) wrong.push(`asks for ${request.url()}`); });
  if (before) await page.addInitScript(before);
  await page.goto(at.url + hash);
  await page.waitForSelector('body[data-ready]');
  page.done = async () => {
    const left = wrong.filter((line) => !expected.some((pattern) => pattern.test(line)));
    await context.close();
    if (left.length) throw new Error(left.join('\n'));
  };
  return page;
}

/** Waits until nothing runs. */
export async function idle(page) {
  await page.waitForSelector('body:not([data-job])', { timeout: PATIENCE });
}

/** Sets a field of the settings, also of those that are folded away. */
export async function set(page, name, value) {
  await page.locator('#settings details').evaluate((e) => { e.open = true; });
  await page.fill(`#settings [name=${name}]`, value);
}

/** Presses the button, waits, and returns the report that the page saves as JSON. */
export async function find(page) {
  await page.click('#go');
  await page.waitForSelector('body[data-job="find"]');
  await idle(page);
  return report(page);
}

/** What a save button gives, as text. */
export async function saved(page, kind) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`[data-save="${kind}"]`)]);
  return fs.readFileSync(await download.path(), 'utf8');
}

export const report = async (page) => JSON.parse(await saved(page, 'json'));

/** Drops a file on the page, as a person does. */
export async function drop(page, name, content) {
  const transfer = await page.evaluateHandle(([n, c]) => {
    const data = new DataTransfer();
    data.items.add(new File([c], n, { type: 'text/csv' }));
    return data;
  }, [name, content]);
  await page.dispatchEvent('body', 'dragenter', { dataTransfer: transfer });
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
}

/** What the command says of the same settings, on this machine's own adapter. */
export function native(...args) {
  const command = path.join(root, 'target/release/rangefinder');
  if (!fs.existsSync(command)) throw new Error('there is no target/release/rangefinder to compare with: cargo build --release');
  const env = { XDG_RUNTIME_DIR: '/tmp', ...process.env };
  return JSON.parse(execFileSync(command, ['find', '--json', ...args], { env, maxBuffer: 1 << 28 }));
}

/** Where pictures go. */
export function shots() {
  const folder = path.join(root, 'target/web-shots');
  fs.mkdirSync(folder, { recursive: true });
  return folder;
}
