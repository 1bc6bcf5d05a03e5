// The tests of tests/main.rs in headless Chromium: node tests/browser/run.mjs FOLDER [filter ...]
// FOLDER holds tests.js and tests_bg.wasm, which wasm-bindgen made. A filter is a part of a test's name; one with a - in front
// takes such tests out.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [folder, ...filters] = process.argv.slice(2);
const here = fileURLToPath(new URL(".", import.meta.url));
const TYPES = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };
const PATIENCE = 180_000; // ms a test

const server = createServer(async ({ url }, answer) => {
  const name = new URL(url, "http://localhost").pathname.slice(1);
  const from = name.startsWith("tests") ? folder : here;
  try {
    const body = name === "" ? "<!doctype html><title>Tests</title>" : await readFile(`${from}/${name}`);
    answer.setHeader("content-type", TYPES[name.split(".").at(-1)] ?? TYPES.html);
    answer.end(body);
  } catch {
    answer.writeHead(404).end();
  }
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-quic"],
});

async function open() {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.log("page:", error.message));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.evaluate(async () => { globalThis.tests = await import("/page.js"); });
  return page;
}

const wanted = filters.filter((f) => !f.startsWith("-"));
const unwanted = filters.filter((f) => f.startsWith("-")).map((f) => f.slice(1));
const chosen = ({ name }) => (wanted.length === 0 || wanted.some((f) => name.includes(f))) && !unwanted.some((f) => name.includes(f));

let failed = 0;
let passed = 0;
const start = Date.now();
try {
  let page = await open();
  const all = await page.evaluate(() => globalThis.tests.list());
  const cases = all.filter(chosen);
  for (const one of cases.filter((c) => !c.ignored)) {
    const began = Date.now();
    let timer;
    const patience = new Promise((resolve) => { timer = setTimeout(resolve, PATIENCE, "took too long"); });
    const wrong = await Promise.race([patience, page.evaluate((c) => globalThis.tests.run(c), one).catch((e) => e.message)]);
    clearTimeout(timer);
    console.log(`test ${one.name} ... ${wrong === "" ? "ok" : "FAILED"} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    if (wrong === "") {
      passed += 1;
    } else {
      failed += 1;
      console.log(wrong);
      await page.close();
      page = await open();
    }
  }
  const ignored = cases.filter((c) => c.ignored).length;
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  console.log(`\ntest result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; ${ignored} ignored; ${all.length - cases.length} filtered out; in the browser, ${seconds} s`);
} finally {
  await browser.close();
  server.close();
}
process.exit(failed > 0 || passed === 0 ? 1 : 0);
