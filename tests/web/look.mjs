// Widths and pictures, in light and dark.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { find, idle, open, set, shots } from './browser.mjs';

const overflow = (page) => page.evaluate(() => {
  const beyond = [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility?.() && !e.closest('.scroll, .skip, svg') && e.getBoundingClientRect().right > innerWidth + 1);
  return { wide: document.documentElement.scrollWidth - innerWidth, beyond: beyond.slice(0, 4).map((e) => `${e.tagName}.${e.className}`) };
});

export default function look(at) {
  test('nothing is wider than the window, from 320 pixels on', async () => {
    const page = await open(at, { hash: '#data=moons&steps=60' });
    await page.locator('details').evaluate((e) => { e.open = true; });
    await find(page);
    await page.fill('[name=epochs]', '2');
    await page.click('#train-go');
    await page.waitForSelector('body[data-job]');
    await idle(page);
    for (const width of [320, 360, 414, 600, 768, 861, 1024, 1280, 1920]) {
      await page.setViewportSize({ width, height: 800 });
      await page.waitForTimeout(120); // the drawing follows the window by a frame or two
      const { wide, beyond } = await overflow(page);
      assert.ok(wide <= 0 && beyond.length === 0, `at ${width}: ${wide} too wide, ${beyond}`);
      const svg = await page.locator('#curve svg').boundingBox();
      assert.ok(svg.width <= width && svg.width > 0.3 * Math.min(width, 1200), `the curve has ${svg.width} of ${width}`);
    }
    await page.done();
  });

  test('a run is told in sentences, and its number is the one to take', async () => {
    const page = await open(at, { hash: '#data=moons&steps=60' });
    const notation = /\d(\.\d+)?e-?\d|\(steps\)|[a-z] Take|\.\s+[a-z]/;
    const found = await find(page);
    assert.ok(found.learning_rate > 1e-3, `${found.learning_rate}`);
    assert.equal(await page.textContent('#answer .number'), String(Number(found.learning_rate.toPrecision(3))));
    const said = (await page.locator('#answer .said').allTextContents()).join(' ');
    assert.match(said, /middle of the fall is 0\.\d+.*Short runs chose/s);
    assert.doesNotMatch(said, notation);
    await set(page, 'to', '1e-4'); // too short a range for any fall
    assert.ok((await find(page)).refusal);
    const refused = await page.locator('#answer .said').first().textContent();
    assert.match(refused, /^No suggestion by the curve\. The loss .*\. Take more steps or a larger batch, or raise the end of the range\.$/);
    assert.doesNotMatch(refused, notation);
    await page.done();
  });

  test('pictures: no WebGPU, on a phone', async () => {
    const page = await open(at, { width: 360, height: 740, before: () => { delete Navigator.prototype.gpu; } });
    await page.screenshot({ path: path.join(shots(), 'missing.png'), fullPage: true });
    assert.ok((await overflow(page)).wide <= 0);
    await page.done();
  });

  for (const [name, width, height] of [['desktop', 1280, 900], ['phone', 360, 740]]) {
    for (const colorScheme of ['light', 'dark']) {
      test(`pictures: ${name}, ${colorScheme}`, async () => {
        const data = { 'desktop light': 'digits', 'phone light': 'moons' }[`${name} ${colorScheme}`] ?? 'spirals';
        const page = await open(at, { hash: `#data=${data}`, width, height, colorScheme });
        await find(page);
        await page.click('#train-go');
        await page.waitForSelector('body[data-job]');
        await idle(page);
        await page.waitForTimeout(700); // the axis glides to its place
        await page.evaluate(() => scrollTo(0, 0));
        await page.screenshot({ path: path.join(shots(), `${name}-${colorScheme}.png`), fullPage: true });
        const { wide } = await overflow(page);
        assert.ok(wide <= 0);
        if (name === 'desktop' && colorScheme === 'light') {
          await page.setViewportSize({ width: 1200, height: 1080 });
          await page.waitForTimeout(700);
          await page.screenshot({ path: path.join(shots(), 'readme.png') }); // docs/images/web.png
        }
        await page.done();
      });
    }
  }
}
