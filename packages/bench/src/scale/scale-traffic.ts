/** Lists what the workers of a large team send in a step of alexnet-cifar10. */
import { defined } from "@lockstep/errors";
import {
  CHUNK_BYTES,
  chunkLength,
  chunkOffsets,
  type FingerprintFacts,
  makeLayout,
  partElements,
  planForms,
} from "@lockstep/gradient-sync";
import { planSlices } from "@lockstep/run";

/** Samples of the global batch, for any number of workers. */
export const BATCH = 64;

const conv = (name: string, inputs: number, outputs: number) => [
  { name: `${name}.weight`, shape: [3, 3, inputs, outputs], dtype: "float32" as const },
  { name: `${name}.bias`, shape: [outputs], dtype: "float32" as const },
];
const dense = (name: string, inputs: number, outputs: number) => [
  { name: `${name}.weight`, shape: [inputs, outputs], dtype: "float32" as const },
  { name: `${name}.bias`, shape: [outputs], dtype: "float32" as const },
];
/** The parameters of alexnet-cifar10: 36,113,290 numbers. */
export const TENSORS = [
  ...[conv("c1", 3, 64), conv("c2", 64, 256), conv("c3", 256, 384), conv("c4", 384, 256), conv("c5", 256, 256)].flat(),
  ...[dense("f1", 4096, 4096), dense("f2", 4096, 4096), dense("f3", 4096, 10)].flat(),
];
const factorable = TENSORS.map(({ shape }) => shape.length === 2);

/** Plan of the exchange. */
export const PLAN = {
  forms: planForms({ tensors: TENSORS, factorable, sync: "factored", wire: "fp32", batchSize: BATCH }),
  wire: "fp32" as const,
  chunkBytes: CHUNK_BYTES,
};
const LAYOUT = makeLayout(TENSORS, PLAN);

/** Facts of the run, as a worker reports them. */
export const FACTS: FingerprintFacts = {
  code: { version: "v", arithmetic: 1, draws: "d" },
  modelName: "m",
  tensors: TENSORS,
  factorable,
  stateDict: TENSORS.map(({ name, shape }) => ({ name, shape })),
  inputShape: [32, 32, 3],
  numClasses: 10,
  classes: [],
  mean: [],
  std: [],
  trainSamples: 2 ** 30,
  validationSamples: 0,
  testSamples: 0,
};

/** A chunk of a contribution. */
export interface Piece {
  /** Part of the layout that it belongs to; 0 is the dense one. */
  part: number;
  /** Offset in the part, in elements. */
  offset: number;
  elements: number;
}

/** Returns the chunks of a contribution of `samples` samples, factors first. */
export function piecesOf(samples: number): Piece[] {
  const parts = LAYOUT.rowElements.map((_, part) => part);
  return [...parts.slice(1), 0].flatMap((part) => {
    const length = partElements(LAYOUT, part, samples);
    return chunkOffsets(LAYOUT, length).map((offset) => ({
      part,
      offset,
      elements: defined(chunkLength(LAYOUT, length, offset), "a chunk at this offset"),
    }));
  });
}

/** Returns the chunks of each worker. */
export function piecesOfAll(workers: number): Piece[][] {
  return planSlices(0, BATCH, workers).map(({ start, end }) => piecesOf(end - start));
}
