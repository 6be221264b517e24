/** The interface between the training loop and a team: one replica in this process, or many workers behind sockets. */
import type { Evaluation } from "./evaluation.ts";
import type { EvaluateTask, StepTask } from "./schedule/schedule.ts";

/** Sums over the global batch of a step, and where the time went. */
export interface StepTotals {
  samples: number;
  lossSum: number;
  correct: number;
  /** Milliseconds of each part of the step, and of the step as `step`, measured from one backward pass to the next. */
  ms: Record<string, number> & { step: number };
  /** Number of slices of the batch, and the share of each worker. Absent in a run in one process. */
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
  /** Milliseconds of its socket's thread during the step: encode, send, receive. */
  io: Record<string, number>;
  /** When its last slice was complete, in ms since the start of the step, by the coordinator's clock. */
  doneMs?: number | undefined;
}

/** One tensor's weights and momentum under its state dict name, in PyTorch's layout. */
export interface ParameterState {
  name: string;
  shape: number[];
  weight: Float32Array;
  velocity: Float32Array;
}

/** A snapshot of the weights and momentum after a step. Later steps do not change it. */
export interface StateCapture {
  /**
   * Copies the captured state. Call it exactly once, even if no step follows.
   *
   * @throws LockstepError ERR_STATE_LOST if the worker that held it was lost and the others have made further steps
   */
  read(): Promise<ParameterState[]>;
}

/** Holds the weights and computes on them. */
export interface Team {
  /** Resolves when enough workers are connected for the next task, or when `signal` aborts. Absent with one replica. */
  assemble?(signal: AbortSignal): Promise<void>;
  /**
   * Makes one step. Calls `beforeCommit` with the sums of the batch before any replica applies the
   * update; if it throws, none does.
   */
  step(task: StepTask, beforeCommit: (totals: StepTotals) => void): Promise<void>;
  /** Evaluates all samples of a split at the current weights. Resolves to undefined if `signal` aborts meanwhile. */
  evaluate(task: EvaluateTask, signal: AbortSignal): Promise<Evaluation | undefined>;
  /** Captures the current state, to be read while training continues. Called between steps. */
  captureState(): StateCapture;
  /** Pauses the run before its next task. */
  pause?(reason: string): void;
  /** Ends the pause; its time counts for no step. */
  resume?(): void;
  /** Rejects if the replicas' weights or momentum differ. Absent with one replica. */
  checkReplicas?(): Promise<void>;
}
