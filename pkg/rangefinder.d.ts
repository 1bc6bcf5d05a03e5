// CONTRACT (draft). The owner of the package refines wording and may add; a change of a name or meaning is told to the page's owner.

/** Loads the wasm module. Call once; later calls return the same promise. */
export default function init(source?: URL | Request | Response | BufferSource | WebAssembly.Module): Promise<void>;
export const version: string;

/** A GPU, opened for computing. Throws RangefinderError with code "no-webgpu" | "no-adapter" | "no-device". */
export class Gpu {
  static open(options?: { powerPreference?: "low-power" | "high-performance" }): Promise<Gpu>;
  /** A device the page made itself (if wgpu allows; else documented why not and absent). */
  static adopt?(device: GPUDevice): Gpu;
  readonly description: string;        // for people
  readonly software: boolean;          // a CPU pretends
  readonly lost: Promise<string>;      // resolves with the reason when the device is lost
  free(): void;
}

export class Dataset {
  static digits(): Dataset;                                                     // 1797 x (1, 8, 8), 10 classes
  static moons(options?: { samples?: number; noise?: number; seed?: number }): Dataset;    // (2), 2 classes
  static spirals(options?: { classes?: number; samples?: number; noise?: number; seed?: number }): Dataset;
  /** Numbers, the last (or named) column the class. Header optional. Throws with the line and column of the first bad cell. */
  static csv(text: string, options?: { target?: string }): Dataset;
  static from(arrays: { inputs: Float32Array | Uint8Array; shape: number[]; labels: Uint32Array | Uint8Array; classes?: number }): Dataset;
  readonly length: number; readonly shape: number[]; readonly classes: number; readonly classNames: string[];
  readonly inputs: Float32Array;       // scaled as the model sees them, length x prod(shape)
  readonly labels: Uint32Array;
  split(options?: { heldOut?: number; seed?: number }): { train: Dataset; heldOut: Dataset };
  free(): void;
}

export type Optimizer =
  | { kind: "sgd"; momentum?: number; nesterov?: boolean; weightDecay?: number }
  | { kind: "adam" | "adamw"; beta1?: number; beta2?: number; epsilon?: number; weightDecay?: number };

export type Layer =                                   // as in the Rust crate's Sequential
  | { kind: "linear"; features: number } | { kind: "relu" | "tanh" | "sigmoid" | "gelu" | "silu" | "flatten" | "batchNorm" }
  | { kind: "conv2d"; channels: number; kernel: number } | { kind: "maxPool"; size: number } | { kind: "dropout"; rate: number };

export interface ModelOptions {
  gpu: Gpu; data: Dataset;                            // shape and classes come from the data
  model: "mlp" | "cnn" | Layer[];
  optimizer?: Optimizer; batch?: number; seed?: number;
}

export type Mode = "sweep" | "same-batch" | "restart" | "frozen" | "replicas";

export interface FindOptions {
  mode?: Mode; from?: number; to?: number; steps?: number; probe?: number; seeds?: number; verify?: boolean;
  signal?: AbortSignal;                               // aborted: the promise rejects with the signal's reason, the model is as before
}
export interface FindProgress { stage: "sweep" | "verify"; step: number; steps: number; /** the points that are new since the last call */ points: Point[] }
export interface Point { lr: number; loss: number; smooth: number; accuracy: number | null }
export interface Report {                             // the same names as the command's --json
  points: Point[]; suggestion: { lr: number; low: number; high: number; score: number; reason: string } | null;
  refusal: { reason: string; advice: string } | null;
  rules: Record<string, number | null>; stopped: string | null; seconds: number;
  verification: null | { lr: number; runs: { lr: number; loss: number; accuracy: number | null }[]; reason: string };
  toSvg(options?: { dark?: boolean }): string; toCsv(): string; toJson(): string;
}
export interface TrainOptions { data?: Dataset; heldOut?: Dataset; lr: number; epochs?: number; steps?: number; schedule?: "one-cycle" | "constant" | "cosine"; signal?: AbortSignal }
export interface TrainProgress { step: number; steps: number; lr: number; loss: number; accuracy: number | null }

export class Model {
  static create(options: ModelOptions): Promise<Model>;
  readonly parameters: number; readonly plan: string; readonly steps: number;
  find(options?: FindOptions, onProgress?: (p: FindProgress) => void): Promise<Report>;
  train(options: TrainOptions, onProgress?: (p: TrainProgress) => void): Promise<{ loss: number; accuracy: number | null; heldOutAccuracy: number | null; seconds: number }>;
  /** (rows, classes) probabilities. inputs: rows x prod(shape), scaled as Dataset.inputs. */
  predict(inputs: Float32Array): Promise<Float32Array>;
  evaluate(data: Dataset): Promise<{ loss: number; accuracy: number | null }>;
  weights(): Promise<Record<string, Float32Array>>; setWeights(weights: Record<string, Float32Array>): Promise<void>;
  snapshot(): Promise<number>; restore(snapshot: number): Promise<void>;   // optional; or reset() to the first weights
  free(): void;
}
/** Any framework's curve. */
export function suggest(history: { lr: ArrayLike<number>; loss: ArrayLike<number>; accuracy?: ArrayLike<number> | null; asIs?: boolean }): { suggestion: Report["suggestion"]; refusal: Report["refusal"]; rules: Report["rules"] };
export class RangefinderError extends Error { code: string; advice?: string }
