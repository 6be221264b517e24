/** The parsed options of each of the trainer's commands, and the interface of their implementations. */
import type { MachineOptions } from "../machine.ts";
import type { WeakScaling } from "../weak-scaling.ts";

/** The options of a run among others, by the names that options.ts gives them; see `explicitRunOptions`. */
type WithRunOptions = Record<string, unknown>;

/** The options of `train` besides those of the run. */
export interface TrainOptions extends MachineOptions, Partial<WeakScaling> {
  out?: string;
  resume?: string;
  describe?: boolean;
  /** Worker processes. @default 1, this process */
  workers?: number;
  log: "text" | "json";
  /** False with --no-dashboard. */
  dashboard?: boolean;
  port?: number;
}

/** The options of `quickstart`. */
export interface QuickstartOptions extends MachineOptions {
  out?: string;
}

/** The options of `evaluate`. */
export interface EvaluateOptions extends MachineOptions {
  run: string;
  dataDir?: string;
}

/** The options of `predict`. */
export interface PredictOptions extends MachineOptions {
  run: string;
}

/** The options of `verify` besides those of the run. */
export interface VerifyOptions extends MachineOptions {
  workers: number;
  freeSlices?: boolean;
  /** True to kill one of the workers halfway. */
  kill?: boolean;
}

/** The options of `export`. */
export interface ExportOptions {
  run: string;
  to: "pth" | "safetensors" | "tfjs" | "onnx" | "trace";
  out?: string;
}

/** The options of `playground`. */
export interface PlaygroundOptions {
  run: string;
  port?: number;
}

/** The options of `dashboard`. The first run is shown in full. */
export interface DashboardOptions {
  run: string[];
  port?: number;
}

/** The options of `doctor`. */
export interface DoctorOptions {
  json?: boolean;
  fix?: boolean;
}

/** The options of each bench. */
export interface BenchOptions {
  /** Number of rounds; in each, every side runs once. */
  rounds: number;
  /** The file for the figures and all raw values. @default none */
  json?: string;
}

/** The options of benches that compare steps with PyTorch. */
export interface ComparingOptions extends BenchOptions {
  /** Measured steps per side and round. */
  steps: number;
  python: string;
}

/** The options of `bench results`. */
export interface BenchResultsOptions {
  json: string[];
  bound: string[];
}

/** The options of `bench step`. */
export interface StepOptions extends ComparingOptions {
  threads: number;
}

/** The options of `bench network`. */
export interface NetworkOptions extends ComparingOptions {
  /** Rate of each link: "100mbit". */
  rate: string;
  wire: "fp32" | "bf16";
}

/** The options of `bench scale`. */
export interface ScaleOptions extends BenchOptions {
  steps: number;
}

/** The options of `bench start`. */
export interface StartOptions extends BenchOptions {
  /** Caches to start with: the machine's, or empty ones. */
  store: "machine" | "fresh";
}

/** Implementation of each bench. */
export interface BenchCommands {
  step(options: StepOptions): Promise<void>;
  sync(options: ComparingOptions): Promise<void>;
  network(options: NetworkOptions): Promise<void>;
  scale(options: ScaleOptions): Promise<void>;
  start(options: StartOptions): Promise<void>;
  results(options: BenchResultsOptions): Promise<void>;
}

/**
 * Implementation of each command. It loads its code when it is called, so that `--help` and usage errors are instant.
 */
export interface TrainerCommands {
  /** @param unsavedFlags flags to repeat on resume, since the run's folder does not save them */
  train(options: TrainOptions & WithRunOptions, unsavedFlags: readonly string[]): Promise<void>;
  quickstart(options: QuickstartOptions): Promise<void>;
  evaluate(options: EvaluateOptions): Promise<void>;
  predict(images: string[], options: PredictOptions): Promise<void>;
  verify(options: VerifyOptions & WithRunOptions): Promise<void>;
  export(options: ExportOptions): Promise<void>;
  playground(options: PlaygroundOptions): Promise<void>;
  dashboard(options: DashboardOptions): Promise<void>;
  doctor(options: DoctorOptions): Promise<void>;
  bench: BenchCommands;
}
