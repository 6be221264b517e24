/** Warms up a device, so that the first step is as fast as the others. */
import type { Batch } from "@lockstep/dataset";
import { readBack } from "@lockstep/engine";
import { disposeContribution } from "../contribution.ts";
import type { Replica } from "../replica.ts";
import { computeGradients } from "../slice/gradients.ts";
import { LapClock } from "../step-clock.ts";
import { applyUpdate } from "../update.ts";

/**
 * Runs a training step on images of zeros. At the first use of an operation a GPU compiles shaders and selects kernels,
 * which takes seconds: without a warm-up, a worker's first slice would be late and its measured speed too low. No
 * random numbers are drawn, so the bits of the run do not change.
 *
 * @param replica the replica to use; its weights change
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
  await readBack(replica.parameters.weight(0)); // a GPU works asynchronously until something is read
  disposeContribution(update);
}
