// Kernels are compiled before they are asked for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PATIENCE, find, open } from './browser.mjs';

/** Counts the kernels that the page has made. */
function count() {
  window.made = 0;
  const make = GPUDevice.prototype.createComputePipeline;
  GPUDevice.prototype.createComputePipeline = function (...args) { window.made++; return make.apply(this, args); };
}

const made = async (page) => {
  await page.waitForSelector('body[data-warm]', { timeout: PATIENCE });
  return page.evaluate(() => window.made);
};

export default function warm(at) {
  test('a run finds its kernels made, and so after other settings', async () => {
    const page = await open(at, { hash: '#steps=40', before: count });
    const cnn = await made(page);
    assert.ok(cnn > 8, `${cnn} kernels`);
    await find(page);
    assert.equal(await page.evaluate(() => window.made), cnn, 'none is made by the run');
    await page.check('[name=data][value=moons]', { force: true });
    await page.selectOption('[name=optimizer]', 'adam');
    const mlp = await made(page);
    assert.ok(mlp > cnn, 'others are made for other settings');
    await find(page);
    assert.equal(await page.evaluate(() => window.made), mlp);
    await page.done();
  });

  test('data that are replaced while kernels are compiled leave no error', async () => {
    const page = await open(at, { hash: '#data=spirals&steps=40&verify=off' });
    for (const data of ['moons', 'digits', 'spirals', 'moons']) await page.check(`[name=data][value=${data}]`, { force: true });
    const report = await find(page);
    assert.ok(report.suggestion || report.refusal);
    await page.done();
  });
}
