// Rangefinder in a page: a learning-rate finder that runs whole on the GPU. Documented in rangefinder.d.ts.
//
// The work is done in wasm/, which is built from the Rust crate. This file is what makes it a JavaScript module: options with
// defaults, errors of one class, AbortSignal, and reports that can be written.

import load, * as wasm from "./wasm/rangefinder.js";
import { toCsv, toJson } from "./report.js";
import { toSvg } from "./svg.js";

/** @type {Promise<void> | undefined} */
let loading;

export default function init(source) {
  loading ??= load(source === undefined ? undefined : { module_or_path: source }).then(() => {});
  return loading;
}

export const version = "0.1.0";

export class RangefinderError extends Error {
  constructor(message, code, advice) {
    super(message);
    this.name = "RangefinderError";
    this.code = code;
    if (advice) this.advice = advice;
  }
}

/** What the wasm threw, as an error of ours; what a page's own callback threw stays what it is. */
function ours(thrown) {
  if (thrown instanceof Error && /null pointer passed to rust|ownership of Rust value/.test(thrown.message)) {
    return new RangefinderError("an object was used after its free(), or freed while in use", "freed");
  }
  if (thrown instanceof WebAssembly.RuntimeError) {
    return new RangefinderError(`internal error: ${thrown.message}; the console says where`, "internal", "reload the page");
  }
  if (thrown instanceof Error && typeof thrown.code === "string" && !(thrown instanceof RangefinderError)) {
    return new RangefinderError(thrown.message, thrown.code, thrown.advice);
  }
  return thrown;
}

function call(f) {
  try {
    return f();
  } catch (thrown) {
    throw ours(thrown);
  }
}

async function calling(f) {
  try {
    return await f();
  } catch (thrown) {
    throw ours(thrown);
  }
}

export class Gpu {
  #inner;
  #description;
  #lost;

  constructor(inner, description) {
    this.#inner = inner;
    this.#description = description;
    this.#lost = inner.lost();
  }

  static async open({ powerPreference = "high-performance" } = {}) {
    await init();
    if (!globalThis.navigator?.gpu) {
      const advice = globalThis.isSecureContext === false
        ? "serve the page by https, or from localhost"
        : "use a browser with WebGPU: Chrome or Edge from 113, Safari from 26, Firefox from 141";
      throw new RangefinderError("this browser has no WebGPU here", "no-webgpu", advice);
    }
    const adapter = await navigator.gpu.requestAdapter({ powerPreference });
    if (!adapter) {
      const advice = "turn on hardware acceleration in the browser's settings, or update the graphics driver";
      throw new RangefinderError("the browser offers no GPU", "no-adapter", advice);
    }
    const inner = await calling(() => wasm.Gpu.open(powerPreference === "low-power")).catch((error) => {
      throw error.code === "no-adapter" ? new RangefinderError(error.message, "no-device", "close other tabs that use the GPU") : error;
    });
    return new Gpu(inner, describe(adapter.info, inner.software()));
  }

  get description() {
    return this.#description;
  }

  get software() {
    return this.#inner.software();
  }

  get lost() {
    return this.#lost;
  }

  get device() {
    return this.#inner.device();
  }

  free() {
    this.#inner.free();
  }

  /**
   * A device's error may be the first sign of its loss, of which the browser tells a moment later.
   * @internal
   */
  explain(error) {
    const advice = "open the GPU again with Gpu.open(), and make the model anew";
    const loss = this.#lost.then((reason) => new RangefinderError(`the GPU was lost: ${reason}`, "device-lost", advice));
    return Promise.race([loss, new Promise((resolve) => setTimeout(resolve, 100, error))]);
  }

  /** @internal */
  get inner() {
    return this.#inner;
  }
}

/** What browsers tell of an adapter, which is little. */
function describe(info, software) {
  const name = info?.description || [info?.vendor, info?.architecture].filter(Boolean).join(" ") || "GPU";
  return software ? `${name} (software: the CPU does the work)` : name;
}

export class Dataset {
  #inner;

  constructor(inner) {
    this.#inner = inner;
  }

  static digits() {
    return new Dataset(call(() => wasm.Dataset.digits()));
  }

  static moons(options) {
    return new Dataset(call(() => wasm.Dataset.moons(options)));
  }

  static spirals(options) {
    return new Dataset(call(() => wasm.Dataset.spirals(options)));
  }

  static csv(text, options) {
    return new Dataset(call(() => wasm.Dataset.csv(text, options)));
  }

  static from({ inputs, shape, labels, classes }) {
    const make = inputs instanceof Uint8Array ? wasm.Dataset.from_u8 : wasm.Dataset.from_f32;
    return new Dataset(call(() => make(inputs, Uint32Array.from(shape), Uint32Array.from(labels), classes)));
  }

  get length() {
    return this.#inner.length();
  }

  get shape() {
    return [...this.#inner.shape()];
  }

  get classes() {
    return this.#inner.class_names().length;
  }

  get classNames() {
    return this.#inner.class_names();
  }

  get inputs() {
    return this.#inner.inputs();
  }

  get labels() {
    return this.#inner.labels();
  }

  split(options) {
    const [train, heldOut] = call(() => this.#inner.split(options));
    return { train: new Dataset(train), heldOut: new Dataset(heldOut) };
  }

  free() {
    this.#inner.free();
  }

  /** @internal */
  get inner() {
    return this.#inner;
  }
}

/** Held out for the short runs of `find`, as the command does: a fifth of small images, of other data a tenth. */
function heldOutShare(data) {
  return data.length <= 2000 && data.shape.length === 3 ? 0.2 : Math.min(0.1, 512 / data.length);
}

export class Model {
  #inner;
  #train;
  #heldOut;
  #parts = [];
  #busy = "";
  #gpu;
  /** A job that was aborted, until it has ended. */
  #aborted;
  #freed = false;

  static async create({ gpu, data, heldOut, model, ...options }) {
    await init();
    const made = new Model();
    made.#gpu = gpu;
    if (heldOut === undefined) {
      const seed = options.seed ?? 0;
      ({ train: made.#train, heldOut: made.#heldOut } = data.split({ heldOut: heldOutShare(data), seed }));
      made.#parts = [made.#train, made.#heldOut];
    } else {
      [made.#train, made.#heldOut] = [data, heldOut];
    }
    made.#inner = await calling(() => wasm.Model.create(gpu.inner, made.#train.inner, model, options));
    return made;
  }

  get parameters() {
    return this.#inner.parameters();
  }

  get plan() {
    return this.#inner.plan();
  }

  get steps() {
    return this.#inner.steps();
  }

  /** One job at a time: two would train the same weights. One that was aborted is waited for, until the model is restored. */
  async #alone(name, job) {
    while (this.#aborted) await this.#aborted;
    if (this.#freed) throw new RangefinderError("the model was freed", "freed");
    if (this.#busy) {
      const message = `${name}: ${this.#busy} still runs on this model`;
      throw new RangefinderError(message, "busy", "await it, or abort it and await that");
    }
    this.#busy = name;
    try {
      return await calling(job);
    } catch (thrown) {
      throw thrown?.code === "device" ? await this.#gpu.explain(thrown) : thrown;
    } finally {
      this.#busy = "";
      if (this.#freed) this.#drop();
    }
  }

  /**
   * A job that an AbortSignal ends. The promise rejects at once; what is under way on the GPU ends behind it, and the next job
   * waits for that.
   */
  async #abortable(name, signal, onProgress, job) {
    signal?.throwIfAborted();
    const cancel = new wasm.Cancel();
    let abort;
    const aborted = new Promise((_, reject) => {
      abort = () => {
        cancel.cancel();
        reject(signal.reason);
      };
    });
    signal?.addEventListener("abort", abort);
    const listener = onProgress && ((progress) => { if (!signal?.aborted) onProgress(progress); });
    const run = this.#alone(name, () => job(listener, cancel)).finally(() => {
      signal?.removeEventListener("abort", abort);
      cancel.free();
    });
    try {
      return await Promise.race([run, aborted]);
    } catch (thrown) {
      if (signal?.aborted && thrown === signal.reason) {
        const ended = run.catch(() => {}).then(() => { if (this.#aborted === ended) this.#aborted = undefined; });
        this.#aborted = ended;
      }
      throw thrown;
    }
  }

  warmUp(data = this.#train) {
    return this.#alone("warmUp", () => this.#inner.warm_up(data.inner));
  }

  async find({ signal, data = this.#train, heldOut = this.#heldOut, ...options } = {}, onProgress) {
    const found = await this.#abortable("find", signal, onProgress, (listener, cancel) =>
      this.#inner.find(data.inner, heldOut.inner, options, listener, cancel));
    return new Report(found);
  }

  train({ signal, data = this.#train, heldOut = this.#heldOut, ...options }, onProgress) {
    return this.#abortable("train", signal, onProgress, (listener, cancel) =>
      this.#inner.train(data.inner, heldOut.inner, options, listener, cancel));
  }

  predict(inputs) {
    return this.#alone("predict", () => this.#inner.predict(inputs));
  }

  evaluate(data = this.#heldOut) {
    return this.#alone("evaluate", () => this.#inner.evaluate(data.inner));
  }

  async weights() {
    const tensors = await this.#alone("weights", () => this.#inner.weights());
    return Object.fromEntries(tensors.map(([name, values]) => [name, values]));
  }

  async shapes() {
    const tensors = await this.#alone("shapes", () => this.#inner.weights());
    return Object.fromEntries(tensors.map(([name, , shape]) => [name, shape]));
  }

  setWeights(weights) {
    return this.#alone("setWeights", () => this.#inner.set_weights(weights));
  }

  snapshot() {
    return this.#alone("snapshot", () => this.#inner.snapshot());
  }

  restore(snapshot) {
    return this.#alone("restore", () => this.#inner.restore(snapshot));
  }

  forget(snapshot) {
    return this.#alone("forget", () => this.#inner.forget(snapshot));
  }

  free() {
    if (this.#freed) return;
    this.#freed = true;
    if (!this.#busy) this.#drop();
  }

  #drop() {
    this.#inner.free();
    for (const part of this.#parts) part.free();
  }
}

/** What a range test found, with ways to write it down. */
export class Report {
  constructor(found) {
    Object.assign(this, found);
  }

  toJson() {
    return toJson(this);
  }

  toCsv() {
    return toCsv(this);
  }

  toSvg(options) {
    return toSvg(this, options);
  }
}

export function suggest({ lr, loss, accuracy, asIs = false, optimizer }) {
  const numbers = (values) => values && Float64Array.from(values);
  return call(() => wasm.suggest(numbers(lr), numbers(loss), numbers(accuracy), asIs, optimizer));
}
