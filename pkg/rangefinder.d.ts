/**
 * Rangefinder: a learning-rate finder that runs whole on the GPU, in a page, by WebGPU.
 *
 * Everything that takes time is a promise, and the tab stays responsive. Everything that can go wrong throws or rejects with a
 * {@link RangefinderError}. Objects with a `free()` hold memory outside JavaScript's: call it when you are done (or leave it to
 * the garbage collector, which comes late).
 *
 * @example
 * import init, { Gpu, Dataset, Model } from "rangefinder";
 * await init();
 * const gpu = await Gpu.open();
 * const model = await Model.create({ gpu, data: Dataset.digits(), model: "cnn" });
 * const report = await model.find({}, ({ points }) => draw(points));
 * console.log(report.learningRate, report.suggestion?.reason ?? report.refusal?.reason);
 */

/**
 * Loads the WebAssembly module. Call it once, before anything else; later calls return the same promise.
 * @param source where `rangefinder_bg.wasm` is, or its bytes; by default beside this module.
 */
export default function init(source?: URL | Request | Response | BufferSource | WebAssembly.Module): Promise<void>;

/** This package's version. */
export const version: string;

/** A GPU, opened for computing. Models on one `Gpu` share compiled kernels. */
export class Gpu {
  private constructor();
  /**
   * Asks the browser for a GPU.
   * @param options.powerPreference which, where there are two; default "high-performance".
   * @throws {RangefinderError} "no-webgpu" (an old browser, or a page that is neither https nor localhost), "no-adapter"
   * (acceleration is off), "no-device".
   */
  static open(options?: { powerPreference?: "low-power" | "high-performance" }): Promise<Gpu>;
  /** For people: "apple metal-3", "google swiftshader (software: the CPU does the work)". Browsers tell little. */
  readonly description: string;
  /** No GPU: a CPU pretends. Right results, slowly. */
  readonly software: boolean;
  /** Resolves with the reason when the device is lost: a driver was restarted, or the tab used too much. */
  readonly lost: Promise<string>;
  /**
   * The browser's own `GPUDevice`, to draw with. (The other way round, computing on a page's own `GPUDevice`, is not possible: the
   * engine's layer below, wgpu, hands its device out in a browser, but takes none in.)
   */
  readonly device: unknown;
  /** Lets go of the device; models on it keep it until they are freed. */
  free(): void;
}

/** Samples of one shape, each with its class. */
export class Dataset {
  private constructor();
  /** 1797 handwritten digits of (1, 8, 8) in 10 classes, in the package (Alpaydin and Kaynak, UCI, 1998, CC BY 4.0). */
  static digits(): Dataset;
  /** Two interleaved half circles, 2 numbers a point. Defaults: 2000 samples, noise 0.1, seed 0. */
  static moons(options?: { samples?: number; noise?: number; seed?: number }): Dataset;
  /** Interleaved spirals, 2 numbers a point. Defaults: 3 classes, 2000 samples, noise 0.05, seed 0. */
  static spirals(options?: { classes?: number; samples?: number; noise?: number; seed?: number }): Dataset;
  /**
   * A table of numbers, one column of which is the class (a word or a whole number): the last, or the one called `target`. A
   * first row that is not all numbers is a header. Commas, semicolons and tabs are understood. Each column is brought to mean 0
   * and deviation 1.
   * @throws {RangefinderError} "data", with the line and the column of the first cell that does not fit.
   */
  static csv(text: string, options?: { target?: string }): Dataset;
  /**
   * Your own samples.
   * @param arrays.inputs sample after sample, row-major. Floats are taken as they are; bytes stay bytes on the GPU, and are
   * brought to mean 0 and deviation 1 (over all of them together).
   * @param arrays.shape of one sample: [features], or [channels, height, width].
   * @param arrays.labels the class of each sample, from 0.
   * @param arrays.classes how many there are; default one more than the largest label.
   * @throws {RangefinderError} "data": lengths that do not agree, a number that is not finite, a label too large.
   */
  static from(arrays: {
    inputs: Float32Array | Uint8Array; shape: number[]; labels: Uint32Array | Uint8Array | number[]; classes?: number;
  }): Dataset;
  /** Samples. */
  readonly length: number;
  /** Of one sample. */
  readonly shape: number[];
  readonly classes: number;
  /** "0", "1", ..., or the words in a table's column. */
  readonly classNames: string[];
  /** A copy, as the model sees them: (length, ...shape), row-major. */
  readonly inputs: Float32Array;
  /** A copy. */
  readonly labels: Uint32Array;
  /**
   * Shuffles by `seed` (default 0) and sets a share (default 0.2) aside. As the Rust crate's, sample by sample.
   * @throws {RangefinderError} "argument": a share that leaves nothing on one side.
   */
  split(options?: { heldOut?: number; seed?: number }): { train: Dataset; heldOut: Dataset };
  free(): void;
}

/** What updates the weights. The rate is not its own: that is what you are looking for. */
export type Optimizer =
  /** Defaults: momentum 0.9, no look-ahead, no decay. */
  | { kind: "sgd"; momentum?: number; nesterov?: boolean; weightDecay?: number }
  /** Defaults: 0.9, 0.999, 1e-8, and decay 0 (adam) or 0.01 (adamw). */
  | { kind: "adam" | "adamw"; beta1?: number; beta2?: number; epsilon?: number; weightDecay?: number };

/** A layer. Its input's shape follows from the layer before; the last must have as many outputs as there are classes. */
export type Layer =
  | { kind: "linear"; features: number }
  | { kind: "relu" | "tanh" | "sigmoid" | "gelu" | "silu" | "flatten" | "batchNorm" }
  /** Stride 1; padded so that an odd kernel (default 3) keeps the image's size. */
  | { kind: "conv2d"; channels: number; kernel?: number }
  /** Square windows side by side; default 2. */
  | { kind: "maxPool" | "avgPool"; size?: number }
  | { kind: "dropout"; rate: number };

export interface ModelOptions {
  gpu: Gpu;
  /** What is trained and swept over. Without `heldOut`, a part of it is set aside first, as the command does. */
  data: Dataset;
  /** What nothing is trained on: `find` judges its short runs by it, and `train` the result. */
  heldOut?: Dataset;
  /** "mlp": three linear layers. "cnn": two convolutions and two linear layers, for images. Or your own. */
  model: "mlp" | "cnn" | Layer[];
  /** Default: sgd with momentum 0.9. */
  optimizer?: Optimizer;
  /** Samples in a step; default 64. */
  batch?: number;
  /** Of the weights, the batches and the split; default 0. The same browser, GPU and seed give the same bits. */
  seed?: number;
  /** Clip the gradient to this norm; default never. */
  clip?: number;
  /** Which kernels; default "tiled" on a GPU, "portable" where a CPU pretends. Both give the same up to rounding. */
  profile?: "portable" | "tiled";
}

/**
 * What each rate is measured on. "sweep": a new batch each step, the weights move (Smith's test). "same-batch": one batch for
 * all. "restart": from the same weights for each rate. "frozen": along one update's direction. "replicas": each rate trains a
 * copy of its own.
 */
export type Mode = "sweep" | "same-batch" | "restart" | "frozen" | "replicas";

export interface FindOptions {
  /** Default "sweep". */
  mode?: Mode;
  /** First and last rate; default 1e-7 and 10. */
  from?: number;
  to?: number;
  /** Rates between them, evenly spaced in their logarithm; default 100. */
  steps?: number;
  /** Updates at each rate; default 1 in "restart", 20 in "replicas". Only these. */
  probe?: number;
  /** Batch orders swept over at once: the mean curve and its spread; default 1. Only "sweep" and "same-batch". */
  seeds?: number;
  /** Put the suggestion to the test by short runs around it, or look for a rate where there is none; default true. */
  verify?: boolean;
  /** Default: the model's own. */
  data?: Dataset;
  heldOut?: Dataset;
  /**
   * Aborted: the promise rejects at once with the signal's reason. What is under way on the GPU (about 0.1 s of work) ends behind
   * it, the model is put back, and the next call waits for that.
   */
  signal?: AbortSignal;
}

/** A step of a sweep, or of a training. */
export interface Point {
  step: number;
  /** Rate of the step's update. */
  lr: number;
  /** Mean loss over the batch; null if it is not finite. */
  loss: number | null;
  /** Its exponentially weighted average. */
  smoothed: number | null;
  /** Share of the batch classified rightly. */
  accuracy: number | null;
  gradNorm: number | null;
  momentum: number;
}

/** Where a job is. Called at least ten times a second while steps are faster than that. */
export interface Progress {
  stage: "sweep" | "verify" | "train";
  /** Rates or steps done, of how many. */
  step: number;
  steps: number;
  /** Latest. */
  lr: number;
  loss: number | null;
  /** What is new since the last call. */
  points: Point[];
}
export type FindProgress = Progress;
export type TrainProgress = Progress;

export interface Suggestion {
  /** The rate to train with, and 0.55 decades to either side: the best rate often lies between. */
  lr: number;
  low: number;
  high: number;
  /** The peak of a one-cycle schedule, which spends little time there: three times `lr`. */
  oneCyclePeak: number;
  /** By how many standard errors some stretch of the curve lies below all before it. */
  score: number;
  /** Name of the rule. */
  rule: string;
  /** One sentence for a person. */
  reason: string;
}

/** Why there is no suggestion, and what to change. */
export interface Refusal {
  reason: string;
  advice: string;
  /** Around which short runs look all the same. */
  guess: number | null;
}

/** What other finders' rules make of the curve; null where a rule has no answer. */
export type Rules = Record<"fastai_valley" | "fastai_steep" | "fastai_slide" | "fastai_minimum" | "min_gradient", number | null>;

/**
 * Short runs around the suggestion, judged by held-out data. Where the curve suggests none but has no clear fall, only rises, or
 * still falls at its end, around what else it says: one of them must then predict better than the best constant does.
 */
export interface Verification {
  /** For a constant rate; null if no run lowered the loss (or learned anything, after a refusal). */
  lr: number | null;
  /** For a one-cycle schedule. */
  oneCyclePeak: number | null;
  /**
   * The smallest and the largest rate that makes nearly all of the best fall: between the outermost run that did and its neighbour, on
   * the line between their losses.
   */
  low: number | null;
  high: number | null;
  /** Held-out loss before any update, and that of the best prediction that is the same for all samples. */
  initial: number;
  constant: number;
  /** Updates of each run. */
  steps: number;
  /** Loss and accuracy are null for a run that blew up. */
  runs: { lr: number; loss: number | null; accuracy: number | null; good: boolean }[];
  reason: string;
}

export interface Report {
  /** What the sweep was made with, as the command names it: "SGD momentum 0.9". */
  optimizer: string;
  mode: Mode;
  from: number;
  to: number;
  steps: number;
  seeds: number;
  probe: number | null;
  smoothing: number;
  /** Every rate with a finite loss. */
  points: Point[];
  /** With several seeds: [lowest, highest] loss of each point. */
  spread: [number, number][] | null;
  suggestion: Suggestion | null;
  refusal: Refusal | null;
  rules: Rules;
  /** The bounds of a cyclical schedule. */
  smith: { baseLr: number; maxLr: number } | null;
  /** Only in "frozen": what the loss along the line says. */
  line: { initial: number; slope: number; argmin: number | null; armijo: number | null; rises: number | null; curvature: number | null } | null;
  verification: Verification | null;
  /** The one number: what the short runs chose, else what the curve suggests. */
  learningRate: number | null;
  /** The same for a one-cycle schedule. */
  oneCyclePeak: number | null;
  /** Why the sweep ended early ("the loss diverged"), and at which step. */
  stopped: string | null;
  stoppedAt: number | null;
  /** Passes through the data. */
  epochs: number;
  /** Was the model put back bit for bit? Compared by hashes. */
  restored: boolean;
  msPerStep: number;
  seconds: number;
  /** The picture, 800 x 460. */
  toSvg(options?: { dark?: boolean }): string;
  /** As the command's --csv. */
  toCsv(): string;
  /** With the command's names: `rangefinder suggest FILE.json` reads it again. */
  toJson(): string;
}

export interface TrainOptions {
  /** Peak rate, or the rate. */
  lr: number;
  /** Passes through the data, or updates; default 3 epochs. */
  epochs?: number;
  steps?: number;
  /**
   * Only a part of that training: the steps from `from` (default 0) until before `until` (default the end). One part after the
   * other gives what one call for all gives, and between them the model can be asked.
   */
  from?: number;
  until?: number;
  /** Default "one-cycle": up to `lr` over the first quarter, then down to nothing. */
  schedule?: "one-cycle" | "constant" | "cosine";
  /** Of the batch order; default the model's. */
  seed?: number;
  data?: Dataset;
  heldOut?: Dataset;
  /** Aborted: the promise rejects at once with the signal's reason; the weights are those of the last step that ran. */
  signal?: AbortSignal;
}

export interface TrainResult {
  /** Where the training is, and how long it is. */
  step: number;
  steps: number;
  /** Means over the last epoch's batches. */
  loss: number | null;
  accuracy: number | null;
  /** Over the held-out data; null before the end. */
  heldOutLoss: number | null;
  heldOutAccuracy: number | null;
  /** Why it ended early: the loss was not finite. */
  stopped: string | null;
  seconds: number;
}

/**
 * A model with its weights, on a GPU. One job at a time: a second call before the first has ended rejects with "busy".
 */
export class Model {
  private constructor();
  /** @throws {RangefinderError} "shape", "argument", "data", "limit", "out-of-memory", "device-lost". */
  static create(options: ModelOptions): Promise<Model>;
  /** Learned numbers. */
  readonly parameters: number;
  /** What one step runs on the GPU, as text. */
  readonly plan: string;
  /** Updates so far. */
  readonly steps: number;
  /**
   * Compiles the kernels of `find`, `train` and `evaluate`, which the first of them would else do: one after the other, so that the
   * page can be drawn in between. Models on the same GPU share them.
   */
  warmUp(data?: Dataset): Promise<void>;
  /** A range test. The model is as before when it ends, however it ends. A callback that throws ends it, with what it threw. */
  find(options?: FindOptions, onProgress?: (progress: FindProgress) => void): Promise<Report>;
  train(options: TrainOptions, onProgress?: (progress: TrainProgress) => void): Promise<TrainResult>;
  /** Probabilities, (rows, classes). `inputs` are (rows, ...shape), scaled as {@link Dataset.inputs}. */
  predict(inputs: Float32Array): Promise<Float32Array>;
  /** Over a whole dataset; default the held-out one. */
  evaluate(data?: Dataset): Promise<{ loss: number | null; accuracy: number | null }>;
  /** By layer and parameter: "linear1.weight". PyTorch's layout: (out, in, ...). */
  weights(): Promise<Record<string, Float32Array>>;
  /** Of the weights. */
  shapes(): Promise<Record<string, number[]>>;
  /** Some or all of them. The optimizer's state stays. */
  setWeights(weights: Record<string, Float32Array>): Promise<void>;
  /** Keeps weights, optimizer and statistics, and returns the snapshot's number. */
  snapshot(): Promise<number>;
  /** Puts a snapshot back, bit for bit. */
  restore(snapshot: number): Promise<void>;
  /** Frees a snapshot. */
  forget(snapshot: number): Promise<void>;
  /** After a running job has ended. */
  free(): void;
}

/**
 * Reads a loss curve that any program measured. `asIs` applies other finders' rules without the smoothing that their tools do;
 * with the `optimizer` that it was made with, its customary rate counts among the readings.
 */
export function suggest(history: {
  lr: ArrayLike<number>; loss: ArrayLike<number>; accuracy?: ArrayLike<number> | null; asIs?: boolean; optimizer?: Optimizer;
}): Pick<Report, "suggestion" | "refusal" | "rules" | "smith">;

/**
 * What went wrong, for a program (`code`) and for a person (`message`, `advice`): "no-webgpu", "no-adapter", "no-device",
 * "device-lost", "device", "limit", "out-of-memory", "shape", "argument", "data", "busy", "freed", "internal".
 */
export class RangefinderError extends Error {
  readonly code: string;
  readonly advice?: string;
}
