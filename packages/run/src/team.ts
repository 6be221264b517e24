/** The contract between a run and whoever computes it: one replica in this process, or many workers behind sockets. */
import type { Evaluation } from "./evaluation.ts";
import type { EvaluateTask, StepTask } from "./schedule/schedule.ts";

/** Sums over the global batch of a step, and where the time went. */
export interface StepTotals {
  samples: number;
  lossSum: number;
  correct: number;
  /** Milliseconds of each part of the step, and `step` for the whole; from the end of one backward pass to the next. */
  ms: Record<string, number> & { step: number };
  /** How many slices the batch was cut into, and what each worker did. Absent on a single machine. */
  slices?: number;
  workers?: WorkerShare[];
}

/** A worker's share of a step. */
export interface WorkerShare {
  name: string;
  samples: number;
  bytesUp: number;
  bytesDown: number;
  /** Disjoint parts of the worker's own step, in milliseconds. */
  ms: Record<string, number>;
  /** What the thread of its socket did meanwhile, in milliseconds: encode, send, receive. */
  io: Record<string, number>;
  /** When its last slice was computed: milliseconds of the step, by the coordinator's clock. */
  doneMs?: number | undefined;
}

/** One tensor's weights and momentum under its state dict name, in PyTorch's layout. */
export interface ParameterState {
  name: string;
  shape: number[];
  weight: Float32Array;
  velocity: Float32Array;
}

/** The weights and momentum after one step. Steps that follow do not change what is read. */
export interface StateCapture {
  /**
   * Copies the captured state; to be called once, also when no step follows.
   *
   * @throws LockstepError ERR_STATE_LOST if the worker that had it was lost, and the others have gone on
   */
  read(): Promise<ParameterState[]>;
}

/** Holds the weights and computes on them. */
export interface Team {
  /** Resolves when enough workers are here for the next task, or when `signal` aborts. Absent where there is one. */
  assemble?(signal: AbortSignal): Promise<void>;
  /**
   * Takes one step. When the batch's sums are there, and before anyone applies the update, `beforeCommit` is called;
   * if it throws, no one applies it.
   */
  step(task: StepTask, beforeCommit: (totals: StepTotals) => void): Promise<void>;
  /** Evaluates all samples of a split at the current weights. Undefined if `signal` aborted on the way. */
  evaluate(task: EvaluateTask, signal: AbortSignal): Promise<Evaluation | undefined>;
  /** Fixes the state after the step just made, to be read while training goes on. Called between steps. */
  captureState(): StateCapture;
  /** The run pauses before its next task, for this reason. */
  pause?(reason: string): void;
  /** The run goes on; the time of the pause belongs to no step. */
  resume?(): void;
  /** Rejects if the replicas' weights and momentum are not all the same. Absent where there is one replica. */
  checkReplicas?(): Promise<void>;
}
