// By keyboard, by ear, and in colours that can be told apart.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find, idle, open } from './browser.mjs';

/** Name, and whether the focus shows, of what has it. */
const focused = (page) => page.evaluate(() => {
  const element = document.activeElement;
  const shows = [element, element.nextElementSibling].some((e) => e && getComputedStyle(e).outlineStyle !== 'none' && parseFloat(getComputedStyle(e).outlineWidth) >= 2);
  const name = element.getAttribute('aria-label') ?? [...(element.labels ?? [])].map((l) => l.textContent.trim()).join(' ') ?? '';
  return { tag: element.tagName, id: element.id, name: name || element.textContent.trim(), shows };
});

/** Contrast of a text with what lies behind it. */
const contrasts = (page) => page.evaluate(() => {
  const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => { const c = v / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility?.() || element.closest('script, noscript, select, :disabled, .skip')) continue;
    if (element.tagName === 'SPAN' && element.previousElementSibling?.disabled) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(element.closest('svg') ? style.fill : style.color)), light(behind(element))];
    found.push({ text: node.textContent.trim().slice(0, 40), ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) });
  }
  return found;
});

export default function access(at) {
  test('everything is reached, named and shown by keyboard alone', async () => {
    const page = await open(at, { hash: '#data=moons&verify=off&steps=60' });
    const seen = [];
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const now = await focused(page);
      if (now.tag === 'BODY') break;
      assert.ok(now.name, `${now.tag}#${now.id} has no name`);
      assert.ok(now.shows, `the focus on “${now.name}” does not show`);
      seen.push(now);
      if (now.id === 'go') break;
    }
    assert.equal(seen.at(-1).id, 'go', `reached ${seen.map((s) => s.name)}`);
    await page.keyboard.press('Enter');
    await page.waitForSelector('body[data-job]');
    assert.equal((await focused(page)).id, 'go', 'the focus stays on the button, which now cancels');
    await idle(page);
    assert.equal((await focused(page)).id, 'go');
    await page.keyboard.press('Tab');
    const slider = page.locator('#curve');
    assert.equal((await focused(page)).id, 'curve');
    assert.equal(await slider.getAttribute('role'), 'slider');
    await page.keyboard.press('ArrowRight');
    const first = await slider.getAttribute('aria-valuetext');
    await page.keyboard.press('ArrowRight');
    const second = await slider.getAttribute('aria-valuetext');
    assert.match(second, /rate .* loss/);
    assert.notEqual(first, second);
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    assert.equal(Number(await page.inputValue('[name=lr]')), 1e-7, 'Enter takes the rate');
    await page.done();
  });

  test('arrow keys move within a choice, and results are announced', async () => {
    const page = await open(at, { hash: '#data=moons&verify=off&steps=60' });
    await page.focus('[name=data][value=moons]');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.isChecked('[name=data][value=spirals]'), true);
    assert.equal(await page.getAttribute('#answer', 'aria-live'), 'polite');
    assert.equal(await page.getAttribute('#trained', 'aria-live'), 'polite');
    await find(page);
    const tree = await page.locator('body').ariaSnapshot();
    for (const part of ['heading "Which learning rate?"', 'radio "Moons"', 'slider', 'button "Train"', 'table']) assert.ok(tree.includes(part), `${part} in\n${tree}`);
    await page.done();
  });

  test('a wrong setting is said at its field', async () => {
    const page = await open(at, { hash: '#data=moons&from=1&to=0.1' });
    await page.click('#go');
    assert.equal(await page.evaluate(() => document.body.dataset.job), undefined, 'nothing runs');
    assert.match(await page.evaluate(() => document.querySelector('[name=to]').validationMessage), /larger than/);
    assert.equal(await page.isVisible('[name=to]'), true, 'its section opens');
    await page.fill('[name=to]', '10');
    await page.fill('[name=from]', '1e-6');
    await page.fill('[name=hidden]', '12, lots');
    await page.click('#go');
    assert.match(await page.evaluate(() => document.querySelector('[name=hidden]').validationMessage), /whole numbers/);
    await page.done();
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`text has a contrast of 4.5 in ${colorScheme}`, async (t) => {
      const page = await open(at, { hash: '#data=moons&steps=60', colorScheme });
      await find(page);
      await page.check('.runs input');
      const all = await contrasts(page);
      const least = all.reduce((a, b) => (a.ratio < b.ratio ? a : b));
      t.diagnostic(`${all.length} texts; least ${least.ratio.toFixed(2)}: “${least.text}”`);
      assert.ok(all.length > 60);
      for (const { text, ratio } of all) assert.ok(ratio >= 4.5, `“${text}”: ${ratio.toFixed(2)}`);
      await page.done();
    });
  }
}
