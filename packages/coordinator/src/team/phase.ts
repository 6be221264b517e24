/** The phase of a distributed run: one value, which holds what exists only while the run is in that phase. */
import type { BufferPool, Layout, StepRound } from "@lockstep/gradient-sync";
import type { PhaseName } from "@lockstep/run/live";
import type { LateJoin } from "../state/late-join.ts";
import type { Replicas } from "../state/replicas.ts";
import type { EvaluationRound } from "../step/evaluation-round.ts";

/** What is settled when a run begins, until nobody holds its weights any more. */
export interface ActiveRun {
  layout: Layout;
  /** Rows of each slice; undefined where slices follow the workers' speeds. */
  sliceRows: number | undefined;
  numClasses: number;
  lateJoin: LateJoin;
  replicas: Replicas;
  /** Buffers that dense chunks are decoded into, of the sizes that the layout has. */
  buffers: BufferPool;
}

/**
 * - `gathering`: waits for the workers that the run begins with, for the first time or again
 * - `starting`: the weights are on their way to them
 * - `idle`: between two tasks; late joiners catch up, and checkpoints are read
 * - `stepping`, `evaluating`: workers compute
 * - `paused`: too few workers are here, or it was asked for
 * - `lost`: nobody holds the weights, until those who are here and those who come may begin again
 * - `over`: all were told that the run is finished
 */
export type Phase =
  | { name: "gathering" }
  | { name: "starting"; run: ActiveRun }
  | { name: "idle"; run: ActiveRun }
  | { name: "stepping"; run: ActiveRun; round: StepRound }
  | { name: "evaluating"; run: ActiveRun; round: EvaluationRound }
  | { name: "paused"; run: ActiveRun; reason: string }
  | { name: "lost" }
  | { name: "over" };

/** Hears of each phase when it begins, with the reason of a pause. */
export type PhaseListener = (name: PhaseName, reason?: string) => void;

/** The phase that a run is in now. */
export class CurrentPhase {
  readonly #onPhase: PhaseListener;
  #now: Phase = { name: "gathering" };

  constructor(onPhase: PhaseListener) {
    this.#onPhase = onPhase;
    onPhase(this.#now.name);
  }

  get now(): Phase {
    return this.#now;
  }

  /** What is settled of the run, while someone holds its weights. */
  get run(): ActiveRun | undefined {
    return "run" in this.#now ? this.#now.run : undefined;
  }

  /** The step under way. */
  get stepRound(): StepRound | undefined {
    return this.#now.name === "stepping" ? this.#now.round : undefined;
  }

  /** The evaluation under way. */
  get evaluationRound(): EvaluationRound | undefined {
    return this.#now.name === "evaluating" ? this.#now.round : undefined;
  }

  /** Whether the run waits for workers to begin with, for the first time or again. */
  get isGathering(): boolean {
    return this.#now.name === "gathering";
  }

  /** Enters a phase, and tells of it if it is another one, or another reason. */
  enter(phase: Phase): void {
    const before = this.#now;
    this.#now = phase;
    if (before.name !== phase.name || reasonOf(before) !== reasonOf(phase)) this.#onPhase(phase.name, reasonOf(phase));
  }

  /** Goes back to `idle` after a task or a pause, unless the weights were lost meanwhile. */
  rest(): void {
    const { run } = this;
    if (run !== undefined) this.enter({ name: "idle", run });
  }
}

const reasonOf = (phase: Phase) => (phase.name === "paused" ? phase.reason : undefined);
