/** Rounds of a bench: the sides run in turn, so that a noisy time is noisy for all. */
import { median } from "./median.ts";

/** What one side measured in one round. */
export interface Timed {
  /** Milliseconds of each measured step. */
  stepMs: number[];
}

type Sides = Record<string, () => Promise<Timed>>;
type Outcomes<S extends Sides> = { [Name in keyof S]: Awaited<ReturnType<S[Name]>>[] };

/** Lets the sides run in turn, each in fresh processes, as often as there are rounds: a noisy time is noisy for all. */
export async function inTurn<S extends Sides>(rounds: number, sides: S): Promise<Outcomes<S>> {
  const outcomes = Object.fromEntries(Object.keys(sides).map((name) => [name, [] as Timed[]]));
  for (let round = 1; round <= rounds; round++) {
    for (const [name, run] of Object.entries(sides)) {
      const outcome = await run();
      outcomes[name]!.push(outcome);
      const raw = outcome.stepMs.map((value) => value.toFixed(1)).join(" ");
      console.log(`round ${round}, ${name}: ${median(outcome.stepMs).toFixed(1)} ms, the median of ${raw}`);
    }
  }
  return outcomes as Outcomes<S>;
}

/** Returns the median of each round. */
export const medians = (outcomes: readonly Timed[]): number[] => outcomes.map(({ stepMs }) => median(stepMs));
