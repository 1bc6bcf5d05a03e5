// The page in a real browser: `node tests/web/run.mjs`; one of them: `node --test-name-pattern=cancel tests/web/run.mjs`.
// Needs playwright-core (npm install), pkg/ (scripts/build-web.sh), target/release/rangefinder, and Chromium. Pictures are left in
// target/web-shots/.

import { after, before } from 'node:test';
import { site } from './browser.mjs';
import access from './access.mjs';
import agree from './agree.mjs';
import cancel from './cancel.mjs';
import csv from './csv.mjs';
import gpu from './gpu.mjs';
import look from './look.mjs';
import train from './train.mjs';
import warm from './warm.mjs';

const at = {};
before(async () => { Object.assign(at, await site()); });
after(() => at.close?.());
for (const tests of [agree, csv, cancel, gpu, train, warm, access, look]) tests(at);
