// A CSV of the reader's own, whole and broken.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drop, find, open } from './browser.mjs';

/** Three clouds in the plane, or in more dimensions, from a fixed seed. */
function clouds(features, { header = true, rows = 240 } = {}) {
  let seed = 7;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const lines = header ? [[...Array.from({ length: features }, (_, i) => `x${i}`), 'kind'].join(',')] : [];
  for (let i = 0; i < rows; i++) {
    const kind = i % 3;
    lines.push([...Array.from({ length: features }, (_, k) => ((k % 3 === kind ? 2 : 0) + random() + random() - 1).toFixed(4)), kind].join(','));
  }
  return lines.join('\n');
}

const message = (page) => page.textContent('#about-data');

export default function csv(at) {
  test('a dropped CSV is read, swept and trained on', async () => {
    const page = await open(at, { hash: '#verify=off' });
    await drop(page, 'clouds.csv', clouds(2));
    await page.waitForFunction(() => document.querySelector('#about-data').textContent.includes('clouds.csv'));
    assert.match(await message(page), /240 samples of 2 numbers, 3 classes/);
    assert.equal(await page.isChecked('[name=model][value=mlp]'), true, 'a CNN needs images');
    const report = await find(page);
    assert.ok(report.suggestion, report.refusal?.reason);
    await page.fill('[name=epochs]', '20');
    await page.click('#train-go');
    await page.waitForFunction(() => /held-out/.test(document.querySelector('#trained').textContent));
    assert.ok(Number(/([\d.]+) %/.exec(await page.textContent('#trained'))[1]) > 85);
    await page.done();
  });

  test('a CSV of five numbers a sample gets a table of confusions', async () => {
    const page = await open(at, { hash: '#verify=off' });
    await drop(page, 'five.csv', clouds(5, { header: false }));
    await page.waitForFunction(() => document.querySelector('#about-data').textContent.includes('five.csv'));
    await find(page);
    await page.click('#train-go');
    await page.waitForSelector('.confusion');
    await page.done();
  });

  const rows = clouds(2).split('\n');
  const broken = [
    ['a word among the numbers', [...rows.slice(0, 5), 'oops,1,2', ...rows.slice(5)].join('\n'), /line 6.*column 1|6.*oops/s],
    ['a row that is too short', [...rows.slice(0, 9), '1.0,2', ...rows.slice(9)].join('\n'), /line 10/],
    ['no rows under the header', rows[0], /no |0 |sample|row/],
    ['an empty file', '', /empty/],
    ['bytes that are no text', 'PK\u0003\u0004\0\0\0\0', /not text/],
    ['one class only', 'a,b,class\n1,2,0\n2,3,0\n3,4,0\n4,5,0', /class/],
  ];
  test('broken CSVs are named, and the page goes on', async (t) => {
    const page = await open(at, { hash: '#verify=off' });
    for (const [what, text, says] of broken) {
      await drop(page, 'broken.csv', text);
      await page.waitForSelector('#about-data[role=alert]');
      const said = await message(page);
      t.diagnostic(`${what}: ${said}`);
      assert.match(said, says, what);
      assert.ok(!/panick|unreachable|RuntimeError|undefined/.test(said), said);
      assert.equal(await page.isDisabled('#go'), true, 'nothing to run on');
      await page.check('[name=data][value=moons]', { force: true });
      await page.waitForFunction(() => !document.querySelector('#about-data[role=alert]'));
    }
    const report = await find(page);
    assert.ok(report.suggestion);
    await page.done();
  });
}
