// Rangefinder in a browser beside other WebGPU frameworks for the browser, in one run of one headless Chromium:
//
//   npm install && npm ci --prefix benches/web && node benches/web/run.mjs [--mnist DIR] [--rounds N] [--seconds S] [--out FILE]
//
// One training step of an MLP 784-256-128-10, batch 64, SGD with momentum 0.9; the frameworks take turns, round by round. Before
// that, each runs five steps from the same weights on the same 64 samples, and the losses must agree. And the time from a cold
// start of the browser's page to the first point of the curve. Without --mnist the images are noise of MNIST's shape: the time
// of a step does not depend on the values. Needs pkg/ (scripts/build-web.sh) and Chromium (CHROMIUM=/path for another).

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import zlib from 'node:zlib';
import { launch } from '../../tests/web/browser.mjs';
import { root, serve } from '../../scripts/serve.mjs';

const { values: options } = parseArgs({
  options: { mnist: { type: 'string' }, rounds: { type: 'string', default: '9' }, seconds: { type: 'string', default: '1' }, out: { type: 'string' } },
});
const [ROUNDS, SECONDS, COLD] = [Number(options.rounds), Number(options.seconds), 5];
const SAMPLES = 1024;
const RIVALS = [['rangefinder', 'pkg'], ['tfjs', '@tensorflow/tfjs'], ['jax', '@jax-js/jax']];
const AGREE = 1e-3;
const here = path.dirname(new URL(import.meta.url).pathname);

if (!fs.existsSync(path.join(here, 'node_modules'))) {
  console.error('the rivals are missing: npm ci --prefix benches/web');
  process.exit(1);
}

/** The first images and labels of MNIST's training files, gzipped or not; or noise of the same shape. */
function samples() {
  if (!options.mnist) return { name: 'noise of MNIST’s shape', pixels: null };
  const read = (stem) => {
    const file = [`${stem}.gz`, stem].map((name) => path.join(options.mnist, name)).find((name) => fs.existsSync(name));
    if (!file) throw new Error(`${options.mnist} has no ${stem}`);
    const bytes = fs.readFileSync(file);
    return file.endsWith('.gz') ? zlib.gunzipSync(bytes) : bytes;
  };
  const pixels = read('train-images-idx3-ubyte').subarray(16, 16 + SAMPLES * 784);
  const labels = read('train-labels-idx1-ubyte').subarray(8, 8 + SAMPLES);
  return { name: `the first ${SAMPLES} images of MNIST`, pixels: pixels.toString('base64'), labels: [...labels] };
}

const middle = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];
const spread = (times) => `${Math.min(...times).toFixed(1)}..${Math.max(...times).toFixed(1)}`;
const version = (name) => (name === 'pkg'
  ? /^version = "(.*)"/m.exec(fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8'))[1]
  : JSON.parse(fs.readFileSync(path.join(here, 'node_modules', name, 'package.json'), 'utf8')).version);

/** A page with one framework in it, its data and model on the GPU. */
async function prepare(browser, url, name, data) {
  const page = await browser.newPage();
  page.setDefaultTimeout(300_000);
  page.on('console', (m) => { if (m.type() === 'error') console.error(`${name}: ${m.text()}`); });
  await page.goto(`${url}bench/page.html`);
  await page.evaluate(([n, d, count]) => window.prepare(n, d, count), [name, data, SAMPLES]);
  return page;
}

/**
 * Milliseconds from the start of the navigation to the first point of the curve, the button pressed as soon as it can be, in a
 * browser that has never seen the page, and in the same again; and from the press to the first point, where the reader gave the
 * page time to compile its kernels.
 */
async function cold(url) {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    const first = (when) => new Promise((resolve) => {
      let pressed = 0;
      const watch = () => {
        const now = performance.now();
        if (document.querySelector('.dots')?.getAttribute('d')) resolve(when === 'ready' ? now : now - pressed); else requestAnimationFrame(watch);
      };
      addEventListener('DOMContentLoaded', () => {
        watch();
        new MutationObserver((_, observer) => {
          if (!document.body.dataset.ready || !document.body.dataset[when]) return;
          observer.disconnect();
          pressed = performance.now();
          document.querySelector('#go').click();
        }).observe(document.body, { attributes: true });
      });
    });
    await page.addInitScript(`window.first = (${first})(location.search === '?warm' ? 'warm' : 'ready')`);
    const times = [];
    for (const address of [url, url, `${url}?warm`]) {
      await page.goto(address);
      times.push(await page.evaluate(() => window.first));
    }
    return times;
  } finally {
    await browser.close();
  }
}

const data = samples();
const server = await serve({
  '/pkg/': path.join(root, 'pkg'), '/bench/modules/': path.join(here, 'node_modules'), '/bench/': here, '/': path.join(root, 'examples/web'),
});
const browser = await launch();
const lines = [];
const say = (line = '') => { console.log(line); lines.push(line); };
try {
  const adapter = await (async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}bench/page.html`);
    const info = await page.evaluate(() => window.adapter());
    await page.close();
    return info;
  })();
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root }).toString().trim();
  const running = [];
  for (const [name, from] of RIVALS) {
    try {
      running.push({ name, version: version(from), page: await prepare(browser, server.url, name, data), times: [] });
    } catch (error) {
      running.push({ name, version: version(from), missing: error.message.split('\n')[0] });
    }
  }
  const ready = running.filter((r) => r.page);
  const ours = ready.find((r) => r.name === 'rangefinder');
  if (!ours) throw new Error(running.find((r) => r.name === 'rangefinder').missing);

  // The same task? Five steps from the same weights, all on one batch.
  const weights = await ours.page.evaluate(() => window.weights());
  for (const rival of ready) {
    rival.losses = await rival.page.evaluate((w) => window.check(w), weights);
    const off = Math.max(...rival.losses.map((l, i) => Math.abs(l / ours.losses[i] - 1)));
    if (!(off < AGREE)) throw new Error(`${rival.name} computes something else: losses ${rival.losses}, ours ${ours.losses}`);
  }

  for (const rival of ready) {
    await rival.page.evaluate((n) => window.time(n), 4); // kernels are compiled
    const once = (await rival.page.evaluate((n) => window.time(n), 4)) / 4;
    rival.steps = Math.min(500, Math.max(3, Math.round((1000 * SECONDS) / once)));
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const rival of ready) {
      await rival.page.bringToFront();
      rival.times.push((await rival.page.evaluate((n) => window.time(n), rival.steps)) / rival.steps);
    }
  }
  const starts = [];
  for (let i = 0; i < COLD; i++) starts.push(await cold(server.url));

  say(`# In a browser: ${adapter.name}${adapter.software ? ', a software adapter (a CPU pretends to be the GPU)' : ''}`);
  say();
  say(`Taken on ${new Date().toISOString().slice(0, 10)} at commit ${commit} with \`node benches/web/run.mjs\`, Chromium ${browser.version()}, headless.`);
  say(`${os.type()} ${os.arch()}, ${os.cpus().length} cores (${os.cpus()[0].model.trim()}), load average ${os.loadavg().map((l) => l.toFixed(2)).join(', ')} at the end.`);
  say();
  say(`One training step of an MLP 784-256-128-10: batch 64, SGD with momentum 0.9, on ${data.name}. Medians of ${ROUNDS} rounds, in`);
  say(`turn, of as many steps as take about ${SECONDS} s; ratios are medians over the rounds. The rivals get each batch ready-made on the device; rangefinder gathers it in its first kernel.`);
  say();
  say('| framework | version | ms/step | min..max | times ours |');
  say('| --- | --- | ---: | ---: | ---: |');
  const ratio = (r) => middle(r.times.map((ms, round) => ms / ours.times[round])); // neighbours in time, so that the machine's moods cancel
  for (const r of running) {
    if (r.missing) say(`| ${r.name} | ${r.version} | did not run: ${r.missing.replaceAll('|', '/')} | | |`);
    else say(`| ${r.name === 'rangefinder' ? '**rangefinder**' : r.name} | ${r.version} | ${middle(r.times).toFixed(2)} | ${spread(r.times)} | ${ratio(r).toFixed(2)} |`);
  }
  say();
  say(`Five steps from the same weights on one batch gave all of them the same losses to ${AGREE}: ${ours.losses.map((l) => l.toFixed(4)).join(', ')}.`);
  say();
  say('| the page, CNN on the digits | median | min..max |');
  say('| --- | ---: | ---: |');
  for (const [i, what] of ['cold: a new browser, from the start of the load to the first point of the curve', 'the same, loaded again',
    'its kernels made while the page was read: from the press to the first point'].entries()) {
    const times = starts.map((s) => s[i]);
    say(`| ${what} | ${middle(times).toFixed(0)} ms | ${spread(times.map(Math.round))} |`);
  }
  if (options.out) fs.writeFileSync(options.out, `${lines.join('\n')}\n`);
} finally {
  await browser.close();
  server.close();
}
