/** Reads the results of PyTorch in test/fixtures/*.json, and makes the weights and images that they are of. */

import { readFileSync } from "node:fs";
import type { Batch } from "@lockstep/dataset";
import { at } from "@lockstep/errors";
import { elementCount } from "@lockstep/formats";
import { factorableKernels, loadModel, type StateDict, type StateDictName, stateDictNames } from "@lockstep/model";
import { parameterValues, Replica } from "@lockstep/training";
import { mulberry32 } from "./counter-numbers.ts";

/** Recorded results of PyTorch. */
export interface Fixture {
  model: string;
  batch_size: number;
  lr: number;
  momentum: number;
  parameters: number;
  first_values: Record<string, number[]>;
  tolerance: { loss: number; gradient_l2: number; update_l2: number };
  first_pixels: number[];
  first_labels: number[];
  steps: { loss: number; correct: number; logits_of_first_image?: number[]; gradient_l2?: Record<string, number> }[];
  update_l2: Record<string, number>;
}

/**
 * Reads a fixture. alexnet-cifar10-4-images-pytorch.json is as alexnet-cifar10-pytorch.json, with one step of 4 images.
 */
export function readFixture(name: string): Fixture {
  return JSON.parse(readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), "utf8")) as Fixture;
}

/**
 * Returns the weights: tensor k is (2u − 1)·√(gain / fan_in) with seed 1000 + k, gain 2 for weights and 1 for biases.
 */
export function fixtureWeights(names: readonly Pick<StateDictName, "name" | "torchShape">[]): StateDict {
  let fanIn = 0;
  return new Map(
    names.map(({ name, torchShape }, k) => {
      const size = elementCount(torchShape);
      const isWeight = name.endsWith("weight");
      if (isWeight) fanIn = size / at(torchShape, 0);
      const bound = Math.sqrt((isWeight ? 2 : 1) / fanIn);
      const data = new Float32Array(size);
      for (let i = 0; i < size; i++) data[i] = (2 * mulberry32(1000 + k, i) - 1) * bound;
      return [name, { shape: torchShape, data }];
    }),
  );
}

/** Returns the batch of a step. */
export function fixtureBatch(step: number, batchSize: number, size: number, classes: number): Batch {
  return fixtureSamples(step * batchSize, (step + 1) * batchSize, size, classes);
}

/**
 * Returns samples: byte i in the order image, channel, row, column is ⌊256u⌋ with seed 1;
 * labels are ⌊classes·u⌋, seed 2.
 */
export function fixtureSamples(start: number, end: number, size: number, classes: number): Batch {
  const plane = size * size;
  const images = new Float32Array((end - start) * plane * 3);
  const ids = Uint32Array.from({ length: end - start }, (_, row) => start + row);
  for (const [row, id] of ids.entries()) {
    for (let channel = 0; channel < 3; channel++) {
      for (let pixel = 0; pixel < plane; pixel++) {
        const byte = Math.floor(256 * mulberry32(1, (id * 3 + channel) * plane + pixel));
        images[(row * plane + pixel) * 3 + channel] = (Math.fround(byte / 255) - 0.5) / 0.5;
      }
    }
  }
  const labels = Int32Array.from(ids, (id) => Math.floor(classes * mulberry32(2, id)));
  return { images, labels, sampleIds: ids, samples: end - start, height: size, width: size, channels: 3 };
}

/** Returns the fixture's model with the fixture's weights. Dropout is off. */
export async function replicaOf(fixture: Fixture): Promise<{ replica: Replica; names: StateDictName[] }> {
  const { model, spec } = await loadModel(fixture.model, {});
  const names = stateDictNames(model, spec);
  return {
    replica: new Replica(model, parameterValues(model, names, fixtureWeights(names)), {
      factoredKernels: factorableKernels(model),
      dropout: 0,
    }),
    names,
  };
}
