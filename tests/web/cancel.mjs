// The tab stays the reader's while the GPU works: progress, frames, and an end at once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find, idle, open, set } from './browser.mjs';

/** Software adapter and browser share the machine's cores with whatever else runs; a person notices about this much. */
const LONGEST_TASK_MS = 200;
const CANCEL_MS = 100;

/** Counts frames, long tasks and steps of the progress bar. */
function watch() {
  const seen = { gaps: [], tasks: [], progress: [] };
  window.seen = seen;
  let last = performance.now();
  const frame = (now) => { seen.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => list.getEntries().forEach((e) => seen.tasks.push(e.duration))).observe({ type: 'longtask' });
  addEventListener('DOMContentLoaded', () => {
    new MutationObserver(() => {
      const { value } = document.querySelector('#progress');
      if (value > 0) seen.progress.push([performance.now(), value]);
    }).observe(document.querySelector('#progress'), { attributes: true, attributeFilter: ['value'] });
  });
}

/** Milliseconds from the press to the end of the job, as the page's own clock has them. */
const timeCancel = (page, how) => page.evaluate((key) => new Promise((resolve) => {
  const start = performance.now();
  new MutationObserver(() => { if (!document.body.dataset.job) resolve(performance.now() - start); })
    .observe(document.body, { attributes: true, attributeFilter: ['data-job'] });
  if (key) document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  else document.querySelector('body[data-job=train] #train-go, body[data-job=find] #go').click();
}), how);

export default function cancel(at) {
  test('the tab stays responsive, and progress moves ten times a second', async (t) => {
    const page = await open(at, { hash: '#data=moons&steps=600&verify=off', before: watch });
    await find(page); // the first run compiles the kernels
    await page.evaluate(() => { for (const list of Object.values(window.seen)) list.length = 0; });
    await page.click('#go');
    await page.waitForSelector('body[data-job]');
    await idle(page);
    const seen = await page.evaluate(() => window.seen);
    const times = seen.progress.map(([time]) => time);
    const span = (times.at(-1) - times[0]) / 1000;
    const rate = (times.length - 1) / span;
    const frames = seen.gaps.toSorted((a, b) => a - b);
    t.diagnostic(`${rate.toFixed(0)} moves a second over ${span.toFixed(1)} s; frames: median ${frames[frames.length >> 1].toFixed(0)} ms, longest ${frames.at(-1).toFixed(0)} ms; longest task ${Math.max(0, ...seen.tasks).toFixed(0)} ms`);
    assert.ok(rate >= 10, `progress moved ${rate} times a second`);
    assert.ok(Math.max(0, ...seen.tasks) < LONGEST_TASK_MS, `a task of ${Math.max(...seen.tasks)} ms`);
    await page.done();
  });

  for (const [name, hash] of [['a sweep', '#data=moons&steps=3000&verify=off'], ['a sweep of a CNN', '#steps=1000&verify=off'],
    ['replicas', '#data=moons&mode=replicas&probe=100&verify=off'], ['short runs', '#steps=40']]) {
    test(`cancel ends ${name} at once`, async (t) => {
      const page = await open(at, { hash });
      const press = async (key) => {
        await page.click('#go');
        await page.waitForFunction((late) => document.querySelector('#progress').value > 0 && (!late || /short runs/.test(document.querySelector('#status').textContent)), name === 'short runs');
        return timeCancel(page, key);
      };
      const times = [await press(), await press(), await press('Escape')];
      t.diagnostic(`${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
      assert.match(await page.textContent('#answer'), /Cancelled/);
      assert.ok(Math.min(...times) < CANCEL_MS, `${times} ms`);
      assert.ok(times.toSorted((a, b) => a - b)[1] < CANCEL_MS, `the median of ${times} ms`);
      await set(page, 'steps', '40');
      const report = await find(page);
      assert.ok(report.suggestion || report.refusal, 'runs again');
      await page.done();
    });
  }

  test('a cancelled run leaves the model as it was, bit for bit', async () => {
    const page = await open(at);
    const seen = await page.evaluate(async () => {
      const { Gpu, Dataset, Model } = await import('./pkg/rangefinder.js');
      const model = await Model.create({ gpu: await Gpu.open(), data: Dataset.moons(), model: 'mlp', optimizer: { kind: 'adam' }, seed: 5 });
      const words = async () => Object.values(await model.weights()).map((w) => [...new Uint32Array(w.buffer, w.byteOffset, w.length)]);
      const before = await words();
      const controller = new AbortController();
      const reason = new Error('enough');
      let moved = 0;
      const error = await model.find({ steps: 3000, signal: controller.signal }, (p) => { moved = p.step; if (p.step > 50) controller.abort(reason); }).then(() => null, (e) => e);
      return { moved, same: error === reason, equal: JSON.stringify(before) === JSON.stringify(await words()) };
    });
    assert.ok(seen.moved > 50 && seen.moved < 3000, `${seen.moved} steps`);
    assert.equal(seen.same, true, 'it rejects with the reason of the signal');
    assert.equal(seen.equal, true, 'the weights are those before');
    await page.done();
  });

  test('cancel ends a training at once, and the next one works', async (t) => {
    const page = await open(at, { hash: '#data=moons' });
    await page.fill('[name=epochs]', '400');
    await page.click('#train-go');
    await page.waitForFunction(() => document.querySelector('#train-progress').value > 20);
    const ms = await timeCancel(page);
    t.diagnostic(`${ms.toFixed(0)} ms`);
    assert.ok(ms < 2 * CANCEL_MS, `${ms} ms`);
    await page.fill('[name=epochs]', '2');
    await page.click('#train-go');
    await page.waitForFunction(() => /held-out/.test(document.querySelector('#trained').textContent));
    await page.done();
  });
}
