/** Warms up a device: it does once what it does only once, before anyone waits for it. */
import type { Batch } from "@lockstep/dataset";
import { readBack } from "@lockstep/engine";
import { disposeContribution } from "../contribution.ts";
import type { Replica } from "../replica.ts";
import { computeGradients } from "../slice/gradients.ts";
import { LapClock } from "../step-clock.ts";
import { applyUpdate } from "../update.ts";

/**
 * Takes a step on images that are zeros. A GPU compiles shaders, loads kernels and looks for the best of them when it
 * meets an operation for the first time, which takes seconds: without this, a worker's first slice would come late, and
 * its speed be taken for a fraction of what it is. Nothing is drawn, so what follows is the same to the bit.
 *
 * @param replica whose weights are of no use afterwards
 * @param inputShape [height, width, channels]
 */
export async function warmUp(
  replica: Replica,
  [height, width, channels]: readonly [number, number, number],
  rows: number,
): Promise<void> {
  const batch: Batch = {
    samples: rows,
    height,
    width,
    channels,
    images: new Float32Array(rows * height * width * channels),
    labels: new Int32Array(rows),
    sampleIds: new Uint32Array(rows),
  };
  const update = await computeGradients(replica, batch, { seed: 0, step: 0, clock: new LapClock() });
  for (const gradient of update.gradients) {
    const parts = gradient.form === "dense" ? [gradient.sum] : [gradient.input, gradient.delta];
    for (const part of parts) await readBack(part);
  }
  applyUpdate(replica.parameters, update, { learningRate: 0, momentum: 0, weightDecay: 0 });
  await readBack(replica.parameters.weight(0)); // a GPU works behind our back until something is read
  disposeContribution(update);
}
