/** The phase of a distributed run: one value, which holds what exists only while the run is in that phase. */
import type { StepRound } from "@lockstep/gradient-sync";
import type { PhaseName } from "@lockstep/run/live";
import type { EvaluationRound } from "../step/evaluation-round.ts";
import type { ActiveRun } from "./active-run.ts";

/**
 * - `gathering`: the run waits for the workers that it starts or resumes with
 * - `starting`: these workers are being sent the weights
 * - `idle`: between two tasks; late joiners catch up, and checkpoints are read
 * - `stepping`, `evaluating`: workers compute
 * - `paused`: too few workers are here, or a pause was requested
 * - `lost`: no worker holds the weights, until the run gathers workers again
 * - `over`: all workers were told that the run is finished
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

/** Is called when a phase begins, with the reason if it is a pause. */
export type PhaseListener = (name: PhaseName, reason?: string) => void;

/** The current phase of a run. */
export class CurrentPhase {
  readonly #onPhase: PhaseListener;
  #now: Phase = { name: "gathering" };

  constructor(onPhase: PhaseListener) {
    this.#onPhase = onPhase;
    onPhase(this.#now.name);
  }

  /** The current phase, with what exists only in it. */
  get now(): Phase {
    return this.#now;
  }

  /** The active run, while some worker holds its weights. */
  get run(): ActiveRun | undefined {
    return "run" in this.#now ? this.#now.run : undefined;
  }

  /** The current step, while the run is stepping. */
  get stepRound(): StepRound | undefined {
    return this.#now.name === "stepping" ? this.#now.round : undefined;
  }

  /** The current evaluation, while the run is evaluating. */
  get evaluationRound(): EvaluationRound | undefined {
    return this.#now.name === "evaluating" ? this.#now.round : undefined;
  }

  /** Whether the run waits for the workers that it starts or resumes with. */
  get isGathering(): boolean {
    return this.#now.name === "gathering";
  }

  /** Enters a phase, and reports it if its name or reason has changed. */
  enter(phase: Phase): void {
    const before = this.#now;
    this.#now = phase;
    if (before.name !== phase.name || reasonOf(before) !== reasonOf(phase)) this.#onPhase(phase.name, reasonOf(phase));
  }

  /** Returns to `idle` after a task or a pause, unless the weights were lost meanwhile. */
  rest(): void {
    const { run } = this;
    if (run !== undefined) this.enter({ name: "idle", run });
  }
}

const reasonOf = (phase: Phase) => (phase.name === "paused" ? phase.reason : undefined);
