// The GPU: opening it, and what to say where there is none.

import { Gpu } from './pkg/rangefinder.js';

/** As of April 2026, by the WebGPU working group's table of implementations. */
const BROWSERS = [
  ['Chrome, Edge', /Chrom(e|ium)\/|Edg\//,
    'On by default from 113 on Windows, macOS and ChromeOS and from 121 on Android. On Linux from 144 with Intel graphics (Gen12 and later), from 147 with NVIDIA; elsewhere open <code>chrome://flags/#enable-unsafe-webgpu</code>, choose Enabled, restart, and if that is not enough start the browser with <code>--enable-unsafe-webgpu --enable-features=Vulkan</code>. Look at <code>chrome://gpu</code> for “WebGPU”; hardware acceleration must be on in the settings under System.'],
  ['Firefox', /Firefox\//,
    'On by default from 141 on Windows and from 145 on Macs with Apple silicon. Elsewhere take Nightly, or open <code>about:config</code> and set <code>dom.webgpu.enabled</code> to true.'],
  ['Safari', /Version\/.*Safari\//,
    'On by default from 26 on macOS, iOS, iPadOS and visionOS. Before that: on a Mac the menu Develop, Feature Flags, WebGPU; on an iPhone Settings, Apps, Safari, Advanced, Feature Flags, WebGPU.'],
];

/** What to do, the reader's own browser first. */
export function help() {
  const agent = navigator.userAgent;
  const mine = BROWSERS.findIndex(([, pattern]) => pattern.test(agent));
  const order = [...BROWSERS.keys()].sort((a, b) => (b === mine) - (a === mine));
  const rows = order.map((i) => `<dt>${BROWSERS[i][0]}${i === mine ? ' (yours)' : ''}</dt><dd>${BROWSERS[i][2]}</dd>`);
  return `<dl class="browsers">${rows.join('')}</dl>`;
}

/**
 * Opens the GPU. Throws {title, detail, help} where it cannot: what is missing, and how to switch it on.
 */
export async function openGpu() {
  if (!isSecureContext) {
    throw { title: 'This page needs a secure address', detail: 'Browsers offer WebGPU only over https, or from localhost. Open the page under such an address.' };
  }
  if (!navigator.gpu) {
    throw { title: 'This browser has no WebGPU', detail: 'The curve is computed on your GPU, through WebGPU, and this browser does not offer it, or has it switched off.', help: help() };
  }
  try {
    return await Gpu.open();
  } catch (error) {
    const detail = error.code === 'no-adapter'
      ? 'The browser knows WebGPU, but gives this page no GPU: the driver is too old or on its list of exceptions, hardware acceleration is off, or the GPU failed too often and a restart of the browser is due.'
      : `The browser gave no device: ${error.message ?? error}`;
    throw { title: 'No GPU for this page', detail, help: help() };
  }
}
