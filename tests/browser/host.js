// What the tests import: a turn of the event loop, and a voice.

let memory;
let line = "";
let resume;
let woken = false;

export const setMemory = (of) => { memory = of; };

/** What was said since the last call. */
export const heard = () => { const said = line; line = ""; return said; };

export const say = (start, length) => {
  line += new TextDecoder().decode(new Uint8Array(memory.buffer, start, length).slice());
};

export const wake = () => {
  woken = true;
  resume?.();
};

export const turn = new WebAssembly.Suspending(async () => {
  if (!woken) await new Promise((resolve) => { resume = resolve; });
  resume = undefined;
  woken = false;
});
