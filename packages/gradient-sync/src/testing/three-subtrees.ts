/**
 * For tests: a step of three subtrees of one slice each, with the messages that workers send for it
 * and the resulting update.
 */
import { at } from "@lockstep/errors";
import { chunkLength, chunkOffsets, makeLayout, partElements } from "../layout/layout.ts";
import { encodeFloats } from "../layout/wire.ts";
import { toStep, toSubtreeId } from "../protocol/ids.ts";
import type { MessageOf } from "../protocol/messages.ts";
import type { Outgoing } from "../reduction/outgoing.ts";
import type { StepAssembly } from "../reduction/step-assembly.ts";
import { decodeFloats } from "./decode-floats.ts";

/** Returns the spec of a float32 tensor. */
export const tensor = (name: string, ...shape: number[]) => ({ name, shape, dtype: "float32" as const });
/**
 * Part 0 has 5 dense elements; parts 1 and 2 have 2 and 1 elements per row. Chunks have 3 elements: dense ones start at
 * 0 and 3.
 */
export const layout = makeLayout([tensor("bias", 5), tensor("kernel", 2, 1)], {
  forms: ["dense", "factored"],
  wire: "fp32",
  chunkBytes: 12,
});
/** All parts of the layout. */
export const PARTS = [0, 1, 2];
/** The number of the step. */
export const STEP = toStep(7);
/** Number of samples of each subtree. */
export const SAMPLES = [2, 1, 3];
/** The subtrees of the step. */
export const subtrees = [
  { start: 10, end: 12, sliceSamples: [2] },
  { start: 12, end: 13, sliceSamples: [1] },
  { start: 13, end: 16, sliceSamples: [3] },
];
/** Their numbers. */
export const IDS = [0, 1, 2];
/** The task of the step. */
export const task = { type: "step" as const, step: STEP, epoch: 1, start: 10, end: 16, learningRate: 0.1 };

/** Returns a part of an attempt at a subtree. Each number encodes its subtree, attempt, part and index. */
export const partOf = (subtree: number, attempt: number, part: number) =>
  Float32Array.from(
    { length: partElements(layout, part, at(SAMPLES, subtree)) },
    (_, index) => 1000 * (subtree + 1) + 100 * attempt + 10 * part + index / 8,
  );
/** A message with a chunk of gradients. */
export type Chunk = MessageOf<"gradient-chunk">;
/** Returns a message with a chunk of gradients. */
export const chunkOf = (
  subtree: number,
  attempt: number,
  part: number,
  offset: number,
  ...values: number[]
): Chunk => ({
  type: "gradient-chunk",
  step: STEP,
  subtree: toSubtreeId(subtree),
  attempt,
  part,
  offset,
  ...encodeFloats(Float32Array.from(values), "fp32"),
});
/** Returns all chunks of an attempt at a subtree. */
export function chunksOf(subtree: number, attempt = 0, parts = PARTS): Chunk[] {
  return parts.flatMap((part) => {
    const values = partOf(subtree, attempt, part);
    return chunkOffsets(layout, values.length).map((offset) =>
      chunkOf(subtree, attempt, part, offset, ...values.subarray(offset, offset + layout.chunkElements)),
    );
  });
}
/** Returns the contribution of an attempt at a subtree. */
export const contributionOf = (subtree: number, attempt = 0) => ({
  type: "contribution" as const,
  step: STEP,
  subtree: toSubtreeId(subtree),
  attempt,
  samples: at(SAMPLES, subtree),
  lossSum: subtree + attempt / 4,
  correct: subtree === 1 ? 0 : 1,
  ms: {},
  io: {},
  doneMs: 0,
});

/** Returns the update of a step with these attempts: sums in slice order, and the rows of each factor. */
export function stepOf(attempts: readonly number[]): Float32Array[] {
  const [sums, ...others] = attempts.map((attempt, subtree) => partOf(subtree, attempt, 0)) as [
    Float32Array,
    Float32Array,
  ];
  for (const other of others) for (const [i, value] of other.entries()) sums[i] = at(sums, i) + value;
  const rows = (part: number) => attempts.flatMap((attempt, subtree) => [...partOf(subtree, attempt, part)]);
  return [sums, Float32Array.from(rows(1)), Float32Array.from(rows(2))];
}

/** Applies a message from the round to a worker's assembly. */
export function receive(assembly: StepAssembly, { message }: Outgoing): void {
  if (message.type === "withdrawn") assembly.withdraw(message);
  if (message.type !== "update-chunk") return;
  const samples = message.part === 0 ? 0 : assembly.samplesOf(message.subtree);
  const elements = chunkLength(layout, partElements(layout, message.part, samples), message.offset);
  if (elements === undefined) throw new Error(`Expected the offset of a chunk, got ${message.offset}.`);
  assembly.add({ ...message, values: decodeFloats(message, elements, "fp32") });
}
