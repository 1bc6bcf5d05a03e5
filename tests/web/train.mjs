// Training with the rate that was found.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { find, idle, open, set } from './browser.mjs';

/** How many different colours a canvas shows. */
const shades = (page, selector) => page.evaluate((s) => {
  const canvas = document.querySelector(s);
  const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return new Set(pixels).size;
}, selector);

async function train(page) {
  await page.click('#train-go');
  await page.waitForSelector('body[data-job=train]');
  await idle(page);
  const text = await page.textContent('#trained');
  return { text, accuracy: Number(/([\d.]+) % right/.exec(text)?.[1]) };
}

export default function training(at) {
  test('digits are trained with the suggested rate, read, and their weights saved', async (t) => {
    const page = await open(at, { hash: '#' });
    await find(page);
    const { text, accuracy } = await train(page);
    t.diagnostic(text);
    assert.ok(accuracy > 93, text);
    const wrong = await page.locator('.digits .wrong').count();
    assert.ok(wrong < 8, `${wrong} of the digits shown are wrong`);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#weights')]);
    const file = fs.readFileSync(await download.path());
    const length = Number(file.readBigUInt64LE(0));
    const header = JSON.parse(file.subarray(8, 8 + length));
    const size = (entry) => entry.shape.reduce((a, b) => a * b, 1);
    const numbers = Object.values(header).reduce((sum, entry) => sum + size(entry), 0);
    assert.equal(8 + length + 4 * numbers, file.length, 'the file holds what its header says');
    for (const entry of Object.values(header)) assert.equal(entry.data_offsets[1] - entry.data_offsets[0], 4 * size(entry));
    await page.done();
  });

  test('the rate follows the schedule, unless the reader has one', async () => {
    const page = await open(at, { hash: '#data=moons&steps=60&verify=off' });
    const rate = () => page.inputValue('[name=lr]').then(Number);
    const near = async (expected, why) => { const lr = await rate(); assert.ok(Math.abs(lr / expected - 1) < 0.01, `${lr} for ${expected}: ${why}`); };
    const { suggestion } = await find(page);
    assert.ok(Math.abs(suggestion.one_cycle_peak / suggestion.lr - 3) < 1e-9);
    await near(suggestion.one_cycle_peak, 'the schedule is one-cycle');
    await page.selectOption('[name=schedule]', 'constant');
    await near(suggestion.lr, 'the schedule is constant');
    await page.selectOption('[name=schedule]', 'one-cycle');
    await near(suggestion.one_cycle_peak, 'the schedule is one-cycle again');
    await page.fill('[name=lr]', '0.02');
    await page.selectOption('[name=schedule]', 'constant');
    assert.equal(await rate(), 0.02, 'a rate that was typed stays');
    await find(page);
    assert.equal(await rate(), 0.02, 'also behind another run');
    await page.click('#rate-from button');
    await near(suggestion.lr, 'the suggestion is taken back');
    await set(page, 'steps', '61');
    await page.check('[name=verify]');
    const tried = await find(page);
    assert.equal(tried.verification.one_cycle_peak, tried.one_cycle_peak);
    await near(tried.learning_rate, 'the schedule is constant, and short runs have chosen');
    await page.selectOption('[name=schedule]', 'one-cycle');
    await near(tried.one_cycle_peak, 'the short runs have a peak of their own');
    await page.done();
  });

  test('a decision boundary is drawn on points, while it moves', async () => {
    const page = await open(at, { hash: '#data=spirals&verify=off' });
    await find(page);
    await page.fill('[name=epochs]', '40');
    await page.click('#train-go');
    await page.waitForFunction(() => /coloured/.test(document.querySelector('.view canvas').getAttribute('aria-label')));
    assert.equal(await page.evaluate(() => document.body.dataset.job), 'train', 'the first picture comes before the end');
    await idle(page);
    assert.ok(Number(/([\d.]+) % right/.exec(await page.textContent('#trained'))[1]) > 85);
    assert.ok(await shades(page, '.view canvas') > 100);
    await page.done();
  });

  test('a rate picked on the curve is trained with; one that is too large says so', async () => {
    const page = await open(at, { hash: '#data=moons&verify=off' });
    await find(page);
    const { width, height } = await page.locator('#curve svg').boundingBox();
    await page.locator('#curve svg').click({ position: { x: 0.3 * width, y: 0.3 * height } });
    const picked = Number(await page.inputValue('[name=lr]'));
    assert.ok(picked > 1e-6 && picked < 1e-3, `${picked}`);
    await page.fill('[name=lr]', '1e6');
    const { text } = await train(page);
    assert.match(text, /too large|held-out/);
    assert.equal(await page.isEnabled('#train-go'), true);
    await page.done();
  });
}
