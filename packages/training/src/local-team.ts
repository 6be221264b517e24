/** A team of one replica in this process, with an in-memory exchange. */
import { factorableKernels } from "@lockstep/model";
import type { EvaluateTask, Evaluation, StateCapture, StepTask, StepTotals, Task, Team } from "@lockstep/run";
import type { PhaseName } from "@lockstep/run/live";
import { Batches, plannedRequests } from "./batches.ts";
import { evaluateAll } from "./evaluate.ts";
import { InMemoryExchange } from "./exchange.ts";
import { EVALUATION_ROWS, type PreparedRun } from "./prepare/prepare.ts";
import { Replica } from "./replica.ts";
import { captureState, type InitialValues } from "./state.ts";
import { trainStep } from "./step.ts";
import { LapClock } from "./step-clock.ts";

/** Options of a local team. */
export interface LocalTeamOptions {
  /** Weights and momentum to start with. */
  values: InitialValues;
  /** The tasks in their order, so that batches can be prefetched. */
  tasks: Iterable<Task>;
  /** Called at the start of each phase, with the reason of a pause. @default does nothing */
  onPhase?: (phase: PhaseName, reason?: string) => void;
}

/** Trains on one replica. */
export class LocalTeam implements Team {
  readonly replica: Replica;
  readonly #prepared: PreparedRun;
  readonly #batches: Batches;
  readonly #exchange: InMemoryExchange;
  readonly #evaluationRows: number;
  readonly #onPhase: NonNullable<LocalTeamOptions["onPhase"]>;
  readonly #clock = new LapClock();

  constructor(prepared: PreparedRun, { values, tasks, onPhase = () => {} }: LocalTeamOptions) {
    const { config, loaded, maxRows, thread } = prepared;
    const factoredKernels = config.sync === "dense" ? [] : factorableKernels(loaded.model);
    this.#prepared = prepared;
    this.#onPhase = onPhase;
    this.replica = new Replica(loaded.model, values, { factoredKernels, dropout: config.dropout });
    this.#evaluationRows = Math.min(EVALUATION_ROWS, maxRows ?? EVALUATION_ROWS);
    const rows = { evaluationRows: this.#evaluationRows, sliceRows: config.sliceRows };
    this.#batches = new Batches(thread, plannedRequests(tasks, rows));
    this.#exchange = new InMemoryExchange(config.sliceRows);
  }

  async step(task: StepTask, beforeCommit: (totals: StepTotals) => void): Promise<void> {
    const { config, maxRows } = this.#prepared;
    const clock = this.#clock;
    this.#onPhase("stepping");
    const context = {
      config: { ...config, maxRows },
      replica: this.replica,
      batches: this.#batches,
      exchange: this.#exchange,
      clock,
    };
    await trainStep(context, task, ({ samples, lossSum, correct }) =>
      beforeCommit({ samples, lossSum, correct, ms: clock.finish() }),
    );
    this.#onPhase("idle");
  }

  async evaluate({ split, samples }: EvaluateTask, signal: AbortSignal): Promise<Evaluation | undefined> {
    const classes = this.#prepared.loaded.numClasses;
    this.#onPhase("evaluating");
    const plan = { split, samples, rows: this.#evaluationRows, classes, signal };
    const evaluation = await evaluateAll(this.replica, this.#batches, plan);
    this.resume(); // the next step starts after the evaluation
    return evaluation;
  }

  captureState(): StateCapture {
    const capture = captureState(this.replica, this.#prepared.names);
    return {
      read: async () => {
        const tensors = await capture.read();
        this.#clock.lap("state");
        return tensors;
      },
    };
  }

  pause(reason: string): void {
    this.#onPhase("paused", reason);
  }

  resume(): void {
    this.#clock.finish();
    this.#onPhase("idle");
  }

  /** Frees the replica's tensors. */
  close(): void {
    this.replica.dispose();
  }
}
