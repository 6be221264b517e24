/** One training step: batch → gradients → exchange → update. */

import type { RunConfig } from "@lockstep/config";
import { tf } from "@lockstep/engine";
import type { StepTask, StepTotals } from "@lockstep/run";
import type { Batches } from "./batches.ts";
import { disposeContribution } from "./contribution.ts";
import type { Exchange } from "./exchange.ts";
import type { Replica } from "./replica.ts";
import { streamGradients } from "./slice/gradients.ts";
import { regularizerGradients } from "./slice/regularizers.ts";
import type { LapClock } from "./step-clock.ts";
import { applyUpdate } from "./update.ts";

/** What a training step uses. */
export interface StepContext {
  config: RunConfig;
  replica: Replica;
  batches: Pick<Batches, "next">;
  exchange: Exchange;
  clock: LapClock;
}

/**
 * Runs one training step with this worker's slices. `beforeCommit` gets the sums of the global batch before the update
 * is applied; if it throws, the weights do not change.
 */
export async function trainStep(
  { config, replica, batches, exchange, clock }: StepContext,
  task: StepTask,
  beforeCommit: (totals: Omit<StepTotals, "ms">) => void,
): Promise<void> {
  const { seed, maxRows, momentum, weightDecay } = config;
  const { step, epoch, learningRate } = task;
  for await (const slice of exchange.slices(task)) {
    const batch = await batches.next({ split: "train", epoch, ...slice }); // usually prefetched
    clock.lap("data");
    const sink = exchange.sink(slice); // receives each gradient as soon as the backward pass yields it
    await sink.done(await streamGradients(replica, batch, { seed, step, maxRows, clock }, sink.gradient));
  }
  const update = await exchange.update(); // the sums of all slices of the step
  try {
    beforeCommit(update);
    const penalties = regularizerGradients(replica);
    applyUpdate(replica.parameters, update, { learningRate, momentum, weightDecay }, penalties);
    tf.dispose([...penalties.values()]);
  } finally {
    disposeContribution(update);
  }
  clock.lap("apply");
}
