/** For tests: a model with many parameters, its `ready` message, and the bound on the memory of its coordinator. */

import { makeConfig } from "@lockstep/config";
import { MAX_MESSAGE_BYTES, type MessageOf, makeLayout, updateBytes } from "@lockstep/gradient-sync";
import { fingerprintOfToy, READY } from "../toy-model.ts";

/** Number of elements of the dense gradient: 2 MiB. The kernel [64, 64] is sent as factors. */
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
/** Number of steps: so many that memory which grows with each step would exceed the bound. */
export const STEPS = 100;
/** Number of slices of a step. */
export const SLICES = 4;
/** Number of rows of a slice. */
export const SLICE_ROWS = 4;
/** Number of rows of a batch. */
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

/** Returns the maximum memory of a coordinator in bytes, for any behaviour of its workers: see docs/security.md. */
export function memoryBound({ workers, secondAttempts }: { workers: number; secondAttempts: number }): number {
  const slices =
    (SLICES + secondAttempts) * 4 * layout.denseElements + secondAttempts * updateBytes(layout, SLICE_ROWS);
  const waiting = LIMITS.maxWaitingBytes + updateBytes(layout, ROWS);
  const state = 8 * PARAMETERS;
  return slices + workers * (waiting + MAX_MESSAGE_BYTES) + LIMITS.maxLogBytes + state;
}
