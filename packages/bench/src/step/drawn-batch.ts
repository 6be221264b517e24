/** Makes the CIFAR-10 AlexNet and a batch of noise for the processes of a bench. */

import type { Batch } from "@lockstep/dataset";
import { at } from "@lockstep/errors";
import { factorableKernels, initialWeights, loadModel } from "@lockstep/model";
import { uniforms } from "@lockstep/random";
import { Replica } from "@lockstep/training";

/** Makes the model. @param factored whether dense layers have factored gradients, as in a run, or dense ones */
export async function alexnetReplica({ factored }: { factored: boolean }): Promise<Replica> {
  const { model } = await loadModel("alexnet-cifar10");
  const weights = await initialWeights(model, { init: "pytorch", seed: 0 });
  const values = model.trainableWeights.map(({ shape }, index) => ({
    shape: shape as number[],
    weight: at(weights, index),
  }));
  return new Replica(model, values, { factoredKernels: factored ? factorableKernels(model) : [] });
}

/** Makes a batch of noise with the shape of CIFAR-10 images. */
export function drawnBatch(rows: number): Batch {
  const sampleIds = Uint32Array.from({ length: rows }, (_, row) => row);
  return {
    images: uniforms(0, "shapes", [0, 0, 0], rows * 3072).map((value) => value * 2 - 1),
    labels: Int32Array.from(sampleIds, (id) => id % 10),
    sampleIds,
    samples: rows,
    height: 32,
    width: 32,
    channels: 3,
  };
}
