/** Runs the sides of a bench in turn, so that noise on the machine affects all of them. */
import { median } from "./median.ts";

/** The measurement of one side in one round. */
export interface Timed {
  /** Milliseconds of each measured step. */
  stepMs: number[];
}

type Sides = Record<string, () => Promise<Timed>>;
type Outcomes<S extends Sides> = { [Name in keyof S]: Awaited<ReturnType<S[Name]>>[] };

/** Runs each side once per round, in turn, and returns the measurements of each. */
export async function inTurn<S extends Sides>(rounds: number, sides: S): Promise<Outcomes<S>> {
  const outcomes = Object.fromEntries(Object.keys(sides).map((name) => [name, [] as Timed[]]));
  for (let round = 1; round <= rounds; round++) {
    for (const [name, run] of Object.entries(sides)) {
      const outcome = await run();
      outcomes[name]?.push(outcome);
      const raw = outcome.stepMs.map((value) => value.toFixed(1)).join(" ");
      console.log(`round ${round}, ${name}: ${median(outcome.stepMs).toFixed(1)} ms, the median of ${raw}`);
    }
  }
  return outcomes as Outcomes<S>;
}

/** Returns the median of each round. */
export const medians = (outcomes: readonly Timed[]): number[] => outcomes.map(({ stepMs }) => median(stepMs));
