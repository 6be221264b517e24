/** A team of one: a replica in this process, with the exchange joined in memory. */
import { type ParameterState, planSlices, type RunConfig, type Team } from "@lockstep/run";
import type { Batches } from "./batches.ts";
import { evaluateAll } from "./evaluate.ts";
import { type Exchange, inMemoryExchange } from "./exchange.ts";
import type { Replica } from "./replica.ts";
import { takeStep } from "./step.ts";
import { LapClock } from "./step-clock.ts";

export interface LocalTeam {
  config: RunConfig;
  replica: Replica;
  batches: Pick<Batches, "take">;
  classes: number;
  evaluationRows: number;
  state: () => Promise<ParameterState[]>;
}

export function localTeam({ config, replica, batches, classes, evaluationRows, state }: LocalTeam): Team {
  const clock = new LapClock();
  const exchange: Exchange = inMemoryExchange;
  let stateRead: Promise<unknown> = Promise.resolve();
  return {
    step: async ({ start, end, ...task }, beforeCommit) => {
      await stateRead; // the weights that are being copied may not change
      const slices = planSlices(start, end, 1, config.sliceRows).length;
      await takeStep({ config, replica, batches, exchange, clock }, { ...task, slices }, beforeCommit);
    },
    evaluate: async ({ samples }, stopRequested) => {
      const plan = { samples, rows: evaluationRows, classes, stopRequested };
      const evaluation = await evaluateAll(replica, batches, plan);
      clock.finish(); // the next step begins after the evaluation
      return evaluation;
    },
    state: () => {
      const read = state().finally(() => clock.finish()); // the next step begins after it
      stateRead = read;
      return read;
    },
  };
}
