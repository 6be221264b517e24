/** A team of one: a replica in this process, with the exchange joined in memory. */

import type { RunConfig } from "@lockstep/config";
import type { StateDictName } from "@lockstep/model";
import type { Team } from "@lockstep/run";
import type { Batches } from "./batches.ts";
import { evaluateAll } from "./evaluate.ts";
import { InMemoryExchange } from "./exchange.ts";
import type { Replica } from "./replica.ts";
import { captureState } from "./state.ts";
import { takeStep } from "./step.ts";
import { LapClock } from "./step-clock.ts";

export interface LocalTeam {
  config: RunConfig;
  replica: Replica;
  batches: Pick<Batches, "take">;
  classes: number;
  evaluationRows: number;
  names: readonly StateDictName[];
}

export function localTeam({ config, replica, batches, classes, evaluationRows, names }: LocalTeam): Team {
  const clock = new LapClock();
  const exchange = new InMemoryExchange(config.sliceRows);
  return {
    step: (task, beforeCommit) =>
      takeStep({ config, replica, batches, exchange, clock }, task, ({ samples, lossSum, correct }) =>
        beforeCommit({ samples, lossSum, correct, ms: clock.finish() }),
      ),
    evaluate: async ({ part, samples }, signal) => {
      const plan = { part, samples, rows: evaluationRows, classes, signal };
      const evaluation = await evaluateAll(replica, batches, plan);
      clock.finish(); // the next step begins after the evaluation
      return evaluation;
    },
    skipTime: () => void clock.finish(),
    captureState: () => {
      const capture = captureState(replica, names);
      return {
        read: async () => {
          const tensors = await capture.read();
          clock.lap("state");
          return tensors;
        },
      };
    },
  };
}
