/** One training step: batch → gradients → exchange → update. */

import { tf } from "@lockstep/engine";
import type { RunConfig, StepTotals } from "@lockstep/run";
import type { Batches } from "./batches.ts";
import { type Contribution, disposeContribution } from "./contribution.ts";
import type { Exchange } from "./exchange.ts";
import { computeGradients } from "./gradients.ts";
import { regularizerGradients } from "./regularizers.ts";
import type { Replica } from "./replica.ts";
import type { LapClock } from "./step-clock.ts";
import { applyUpdate } from "./update.ts";

export interface StepContext {
  config: RunConfig;
  replica: Replica;
  batches: Pick<Batches, "take">;
  exchange: Exchange;
  clock: LapClock;
}

/**
 * Takes one step with this worker's slices. `beforeCommit` sees the sums of the whole batch before the update is
 * applied; if it throws, the weights stay as they were. The time of a step runs from the end of one backward pass to
 * the end of the next.
 */
export async function takeStep(
  { config, replica, batches, exchange, clock }: StepContext,
  { step, learningRate, slices }: { step: number; learningRate: number; slices: number },
  beforeCommit: (totals: StepTotals) => void,
): Promise<void> {
  const { seed, maxRows, momentum, weightDecay } = config;
  const contributions: Contribution[] = [];
  for (let slice = 0; slice < slices; slice++) {
    const batch = await batches.take(); // usually there already: it was asked for steps ago
    clock.lap("data");
    contributions.push(await computeGradients(replica, batch, { seed, step, maxRows, clock }));
  }
  clock.lap("backward"); // with putting the sums in order
  const ms = clock.finish();
  const update = await exchange.reduce(step, contributions, ms); // waits for every slice of the step
  clock.lap("wait");
  try {
    beforeCommit({ samples: update.samples, lossSum: update.lossSum, correct: update.correct, ms });
    const penalties = regularizerGradients(replica);
    applyUpdate(replica.parameters, update, { learningRate, momentum, weightDecay }, penalties);
    tf.dispose([...penalties.values()]);
  } finally {
    disposeContribution(update);
  }
  clock.lap("update");
}
