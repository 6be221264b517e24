/** The reference for runs with faults: the same training in one process, as far as it is needed. */
import { join } from "node:path";
import { readSafetensors } from "@lockstep/formats";
import { type MetricsRow, readMetrics } from "@lockstep/run";
import { expect } from "vitest";
import { assertSucceeded } from "./assert-succeeded.ts";
import { run } from "./program.ts";

/** A row of a step in the metrics. */
export type StepRow = Extract<MetricsRow, { type: "step" }>;

/** Returns the rows of the steps that a run has completed. */
export function stepsOf(out: string): StepRow[] {
  return readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type === "step");
}

/** Number of further steps of the reference, so that it serves the next run, too. */
const STEPS_AHEAD = 20;

/** An undisturbed run of a training. */
export class Undisturbed {
  readonly #options: string[];
  readonly #out: string;
  #steps = 0;

  /** @param options of the training, with --slice-rows */
  constructor(options: string[], out: string) {
    this.#options = options;
    this.#out = out;
  }

  /**
   * Asserts that a run has each of its steps once, with the losses of this one, and that its last checkpoint is of its
   * last step and equals that of this one to the bit.
   */
  async assertSame(out: string): Promise<void> {
    const rows = stepsOf(out);
    await this.#reach(rows.length);
    const losses = ({ step, loss }: StepRow) => [step, loss];
    expect(rows.map(losses)).toEqual(stepsOf(this.#out).slice(0, rows.length).map(losses));
    const name = `checkpoints/step-${String(rows.length).padStart(8, "0")}.safetensors`;
    expect(readSafetensors(join(out, name)).tensors).toEqual(readSafetensors(join(this.#out, name)).tensors);
  }

  async #reach(steps: number): Promise<void> {
    if (steps <= this.#steps) return;
    const to = steps + STEPS_AHEAD;
    const from = this.#steps === 0 ? [...this.#options, "--out", this.#out] : ["--resume", this.#out];
    const checkpoints = ["--checkpoint-every", "1", "--keep", String(1_000_000)];
    const words = [...from, ...checkpoints, "--max-steps", String(to), "--threads", "1"];
    assertSucceeded(await run(["train", ...words]));
    this.#steps = to;
  }
}
