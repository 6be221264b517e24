/** What the trainer's commands are given: the options of each, as the command line gives them. */
import type { MachineOptions } from "../machine.ts";
import type { WeakScaling } from "../weak-scaling.ts";

/** The options of a run among others, by the names that options.ts gives them; see `explicitRunOptions`. */
type WithRunOptions = Record<string, unknown>;

/** The options of `train` besides those of the run. */
export interface TrainOptions extends MachineOptions, Partial<WeakScaling> {
  out?: string;
  resume?: string;
  describe?: boolean;
  /** Processes that compute. @default 1, this one */
  workers?: number;
  log: "text" | "json";
  /** Whether pages that show the run are answered, and where. @default yes, at the next free port */
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
  /** Whether one of the several workers is killed in the middle. */
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

/** The options of `dashboard`; the first run is shown in full. */
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
  /** How often each side runs. */
  rounds: number;
  /** The file for the figures and all raw values. @default none */
  json?: string;
}

/** The options of benches that compare steps with PyTorch's. */
export interface ComparingOptions extends BenchOptions {
  /** Measured steps of a side in a round. */
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

/** What each bench does. */
export interface BenchCommands {
  step(options: StepOptions): Promise<void>;
  sync(options: ComparingOptions): Promise<void>;
  network(options: NetworkOptions): Promise<void>;
  scale(options: ScaleOptions): Promise<void>;
  start(options: StartOptions): Promise<void>;
  results(options: BenchResultsOptions): Promise<void>;
}

/** What each command does; it loads its work when it is called, so that `--help` and a wrong flag answer at once. */
export interface TrainerCommands {
  /** @param unsavedFlags typed options, as words, that a resume needs once more */
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
