// Runs the tests one after the other. After a trap the instance is not to be trusted: the next test gets a fresh one.

import { heard, setMemory } from "./host.js";

let fresh = 0;

async function instance() {
  fresh += 1;
  const glue = await import(`./tests.js?${fresh}`); // another address, another instance
  const exports = await glue.default({ module_or_path: new URL("./tests_bg.wasm", import.meta.url) });
  setMemory(exports.memory);
  return { exports, run: WebAssembly.promising(exports.test_run) };
}

function describe(exports, index) {
  exports.test_describe(index);
  const [name, ignored, panics, ...message] = heard().split("\n");
  return { index, name, ignored: ignored !== "", panics: panics !== "", message: message.join("\n") };
}

let current;

export async function list() {
  current ??= await instance();
  const { exports } = current;
  return Array.from({ length: exports.test_count() }, (_, index) => describe(exports, index));
}

/** What is wrong, or "". */
export async function run({ index, panics, message }) {
  current ??= await instance();
  try {
    await current.run(index);
    return panics ? "did not panic" : "";
  } catch (trap) {
    current = undefined;
    const said = heard();
    if (panics && said.includes(message)) return "";
    return said || String(trap);
  }
}
