// No WebGPU, no adapter, and a GPU that goes away in the middle.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find, idle, launch, open, set } from './browser.mjs';

/** Keeps hold of every device that the page gets, so that a test can destroy it. */
function holdDevices() {
  window.devices = [];
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await request.apply(this, args);
    window.devices.push(device);
    return device;
  };
}

export default function gpu(at) {
  test('a browser without WebGPU is told how to switch it on', async () => {
    const page = await open(at, { before: () => { delete Navigator.prototype.gpu; } });
    const notice = page.locator('#notice');
    assert.match(await notice.textContent(), /no WebGPU/);
    for (const browser of ['Chrome', 'Firefox', 'Safari']) assert.match(await notice.textContent(), new RegExp(browser));
    assert.match(await notice.locator('dt').first().textContent(), /Chrome.*yours/);
    assert.equal(await page.isDisabled('#go'), true);
    assert.match(await page.textContent('#about-data'), /1,797 images/, 'what needs no GPU works');
    await page.done();
  });

  test('a browser that gives no adapter says so, and can be asked again', async () => {
    const browser = await launch([]);
    try {
      const page = await open(at, { browser, expected: [/GPU|WebGPU/] });
      assert.match(await page.textContent('#notice'), /No GPU for this page|no WebGPU/);
      if (await page.locator('#notice button').count()) {
        await page.click('#notice button');
        await page.waitForSelector('#notice:not([hidden])');
      }
      await page.done();
    } finally {
      await browser.close();
    }
  });

  test('a lost device gives a message, and a retry that repeats the run', async () => {
    const page = await open(at, { hash: '#data=moons&steps=2000&verify=off', before: holdDevices, expected: [/lost|destroyed|GPU|device/i] });
    await page.click('#go');
    await page.waitForFunction(() => document.querySelector('#progress').value > 0);
    await page.evaluate(() => window.devices.at(-1).destroy());
    await page.waitForSelector('#notice:not([hidden])');
    assert.match(await page.textContent('#notice'), /GPU was lost/);
    await idle(page);
    await set(page, 'steps', '60');
    await page.click('#notice button'); // repeats the run of 2000 steps
    await page.waitForSelector('body[data-job=find]');
    await page.waitForFunction(() => document.querySelector('#progress').value > 0);
    await page.keyboard.press('Escape');
    await idle(page);
    assert.ok((await find(page)).suggestion);
    await page.done();
  });

  test('a device lost while nothing runs gives a message, and a retry', async () => {
    const page = await open(at, { hash: '#data=moons&steps=60&verify=off', before: holdDevices, expected: [/lost|destroyed|GPU|device/i] });
    await find(page);
    await page.evaluate(() => window.devices.at(-1).destroy());
    await page.waitForSelector('#notice:not([hidden])');
    assert.equal(await page.isDisabled('#go'), true);
    await page.click('#notice button');
    await page.waitForSelector('#go:enabled');
    assert.ok((await find(page)).suggestion);
    await page.done();
  });

  test('a crash of the GPU process is survived', async () => {
    const browser = await launch();
    try {
      const page = await open(at, { browser, hash: '#data=moons&steps=2000&verify=off', expected: [/lost|destroyed|GPU|device|context|Instance/i] });
      await page.click('#go');
      await page.waitForFunction(() => document.querySelector('#progress').value > 0);
      await (await browser.newBrowserCDPSession()).send('Browser.crashGpuProcess');
      await page.waitForSelector('#notice:not([hidden])');
      assert.match(await page.textContent('#notice'), /lost/);
      await page.click('#notice button');
      // The browser may refuse a GPU to a page that saw one crash: then it must say so, else the run must go on.
      await page.waitForFunction(() => document.body.dataset.job === 'find' || /No GPU for this page/.test(document.querySelector('#notice').textContent));
      await page.done();
    } finally {
      await browser.close();
    }
  });
}
