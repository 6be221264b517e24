/** For tests: a model with many parameters, what workers tell of it, and how much a coordinator may hold of it. */

import { makeConfig } from "@lockstep/config";
import { MAX_MESSAGE_BYTES, type MessageOf, makeLayout, updateBytes } from "@lockstep/gradient-sync";
import { fingerprintOfToy, READY } from "../toy-model.ts";

/** A kernel that travels as factors, and this many numbers that travel dense, 2 MiB. */
const DENSE = 2 ** 19;
const PARAMETERS = 64 * 64 + DENSE;
const tensors = [
  { name: "kernel", shape: [64, 64], dtype: "float32" as const },
  { name: "dense", shape: [DENSE], dtype: "float32" as const },
];
/** Plan of the exchange. */
export const plan = { forms: ["factored" as const, "dense" as const], wire: "fp32" as const, chunkBytes: 2 ** 18 };
/** Layout of the gradients. */
export const layout = makeLayout(tensors, plan);
/** Limits of the coordinator. */
export const LIMITS = { maxWaitingBytes: 4 * 2 ** 20, maxLogBytes: 8 * 2 ** 20, stallMs: 4000 };
/** So many that what grows with each is more than the bound. */
export const STEPS = 100;
/** Slices of a step. */
export const SLICES = 4;
/** Rows of a slice. */
export const SLICE_ROWS = 4;
/** Rows of a batch. */
export const ROWS = SLICES * SLICE_ROWS;

const { code, modelName, numClasses, classes, mean, std, inputShape } = READY;
const facts = {
  code,
  modelName,
  numClasses,
  classes,
  mean,
  std,
  inputShape,
  tensors,
  factorable: [true, false],
  stateDict: tensors.map(({ name, shape }) => ({ name, shape })),
  trainSamples: 1000 * ROWS,
  validationSamples: 0,
  testSamples: 0,
};
/** Configuration of the run. */
export const config = { ...makeConfig({}) };
/** The message with which a worker reports the model. */
export const ready: MessageOf<"ready"> = {
  type: "ready",
  ...facts,
  fingerprint: fingerprintOfToy(config, facts),
  topology: READY.topology,
  linkBytesPerSecond: 1e9,
  gemmFlopsPerSecond: 1e9,
};

/** Bytes that a coordinator may hold, whatever its workers do: the formula of docs/security.md. */
export function memoryBound({ workers, secondAttempts }: { workers: number; secondAttempts: number }): number {
  const slices =
    (SLICES + secondAttempts) * 4 * layout.denseElements + secondAttempts * updateBytes(layout, SLICE_ROWS);
  const waiting = LIMITS.maxWaitingBytes + updateBytes(layout, ROWS);
  const state = 8 * PARAMETERS;
  return slices + workers * (waiting + MAX_MESSAGE_BYTES) + LIMITS.maxLogBytes + state;
}
