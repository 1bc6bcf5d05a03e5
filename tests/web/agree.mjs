// The browser's curve is the command's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find, native, open, saved } from './browser.mjs';

/** Two drivers and two sets of kernels round differently, and training amplifies it: this share of the loss, up to the suggestion. */
const TOLERANCE = 1e-4;

function compare(ours, theirs) {
  assert.ok(ours.suggestion && theirs.suggestion, 'both suggest');
  const decades = Math.abs(Math.log10(ours.suggestion.lr / theirs.suggestion.lr));
  assert.ok(decades < 0.01, `suggested ${ours.suggestion.lr} here, ${theirs.suggestion.lr} by the command`);
  const [a, b] = [ours, theirs].map((r) => r.history ?? r.points);
  let [worst, compared] = [0, 0];
  for (const [i, point] of b.entries()) {
    if (point.lr > theirs.suggestion.lr) break;
    assert.ok(Math.abs(a[i].lr / point.lr - 1) < 1e-9, `rate ${i}: ${a[i].lr} here, ${point.lr} by the command`);
    worst = Math.max(worst, Math.abs(a[i].loss / point.loss - 1));
    compared++;
  }
  assert.ok(compared > 10, `only ${compared} rates lie below the suggestion`);
  assert.ok(worst < TOLERANCE, `losses differ by up to ${worst} of their size; ${TOLERANCE} is allowed`);
  return worst;
}

export default function agree(at) {
  const cases = [
    ['CNN on the digits', '#', []],
    ['MLP on moons, Adam, seed 3', '#data=moons&optimizer=adam&seed=3', ['--data', 'moons', '--optimizer', 'adam', '--seed', '3']],
    ['MLP on spirals, one batch', '#data=spirals&mode=same-batch', ['--data', 'spirals', '--mode', 'same-batch']],
    ['frozen weights', '#data=moons&mode=frozen', ['--data', 'moons', '--mode', 'frozen']],
    ['restarts of 5 updates', '#data=moons&mode=restart&probe=5', ['--data', 'moons', '--mode', 'restart', '--probe', '5']],
    ['replicas', '#data=moons&mode=replicas&steps=40', ['--data', 'moons', '--mode', 'replicas', '--steps', '40']],
    ['three batch orders', '#data=moons&seeds=3', ['--data', 'moons', '--seeds', '3']],
  ];
  for (const [name, hash, args] of cases) {
    test(`the curve is the command's: ${name}`, async (t) => {
      const page = await open(at, { hash });
      const ours = await find(page);
      const theirs = native(...args);
      const worst = compare(ours, theirs);
      t.diagnostic(`suggested ${ours.suggestion.lr.toPrecision(4)}, by the command ${theirs.suggestion.lr.toPrecision(4)}; losses agree to ${worst.toExponential(1)}`);
      assert.match(await page.textContent('.facts'), /none differs/);
      await page.done();
    });
  }

  test('a run can be saved as SVG, CSV and JSON', async () => {
    const page = await open(at, { hash: '#data=moons&verify=off' });
    const json = await find(page);
    const [svg, csv] = [await saved(page, 'svg'), await saved(page, 'csv')];
    assert.match(svg, /^(<\?xml[^>]*>\s*)?<svg[\s\S]*<\/svg>\s*$/);
    const rows = csv.trim().split('\n').filter((line) => !line.startsWith('#'));
    assert.equal(rows.length - 1, (json.history ?? json.points).length);
    assert.match(rows[0], /lr.*loss/);
    await page.done();
  });

  test('a kept curve stays beside the next, and goes when it is no longer kept', async () => {
    const page = await open(at, { hash: '#data=moons&verify=off&steps=60' });
    await find(page);
    await page.check('.runs input');
    await page.selectOption('[name=optimizer]', 'adam');
    await find(page);
    assert.equal(await page.locator('.runs tbody tr').count(), 2);
    assert.equal(await page.locator('path.keep').count(), 1);
    await page.uncheck('.runs tbody tr:first-child input');
    assert.equal(await page.locator('.runs tbody tr').count(), 1);
    await page.waitForFunction(() => document.querySelectorAll('path.keep').length === 0);
    await page.done();
  });

  test('all five modes end in one table, one picture and one sentence', async (t) => {
    const page = await open(at, { hash: '#data=moons&mode=all&verify=off&steps=60' });
    const report = await find(page);
    assert.equal(report.mode, 'sweep', 'the sweep is what is told');
    assert.equal(await page.locator('.runs tbody tr').count(), 5);
    assert.equal(await page.locator('path.keep').count(), 4);
    const said = await page.textContent('.facts');
    t.diagnostic(said.slice(said.indexOf('The five together')).replaceAll(/\s+/g, ' '));
    for (const mode of ['same batch', 'restart', 'frozen', 'replicas']) assert.match(said, new RegExp(mode, 'i'));
    await page.click('.runs tbody tr:nth-child(4) button');
    assert.match(await page.textContent('.facts'), /Frozen\./);
    await page.done();
  });

  test('the address carries the settings', async () => {
    const page = await open(at, { hash: '#data=moons&verify=off' });
    await page.selectOption('[name=optimizer]', 'adamw');
    await page.check('[name=mode][value=frozen]');
    await page.reload();
    await page.waitForSelector('body[data-ready]');
    assert.equal(await page.inputValue('[name=optimizer]'), 'adamw');
    assert.equal(await page.isChecked('[name=mode][value=frozen]'), true);
    assert.equal(await page.isChecked('[name=verify]'), false);
    assert.match(await page.textContent('#about-data'), /2 numbers, 2 classes/);
    await page.done();
  });
}
