/** For tests: a step of three slices, and what workers send and make of it. */
import { chunkLength, chunkOffsets, makeLayout, partElements } from "../layout/layout.ts";
import { decodeFloats, encodeFloats } from "../layout/wire.ts";
import { toSliceId, toStep } from "../protocol/ids.ts";
import type { MessageOf } from "../protocol/messages.ts";
import type { Outgoing } from "../reduction/outgoing.ts";
import type { StepAssembly } from "../reduction/step-assembly.ts";

export const tensor = (name: string, ...shape: number[]) => ({ name, shape, dtype: "float32" as const });
/** Parts: 0 of 5 dense elements; 1 and 2 of 2 and 1 a row. Chunks have 3 elements: dense ones begin at 0 and 3. */
export const layout = makeLayout([tensor("bias", 5), tensor("kernel", 2, 1)], {
  ...{ forms: ["dense", "factored"], wire: "fp32", chunkBytes: 12 },
});
export const PARTS = [0, 1, 2];
export const STEP = toStep(7);
/** Samples of each slice. */
export const SAMPLES = [2, 1, 3];
export const slices = [
  { slice: toSliceId(0), start: 10, end: 12 },
  { slice: toSliceId(1), start: 12, end: 13 },
  { slice: toSliceId(2), start: 13, end: 16 },
];
export const task = { type: "step" as const, step: STEP, epoch: 1, start: 10, end: 16, learningRate: 0.1 };

/** A part of a slice as one attempt computes it: its numbers tell where they are from. */
export const partOf = (slice: number, attempt: number, part: number) =>
  Float32Array.from(
    { length: partElements(layout, part, SAMPLES[slice]!) },
    (_, index) => 1000 * (slice + 1) + 100 * attempt + 10 * part + index / 8,
  );
export type Chunk = MessageOf<"gradient-chunk">;
export const chunkOf = (slice: number, attempt: number, part: number, offset: number, ...values: number[]): Chunk => ({
  ...{ type: "gradient-chunk", step: STEP, slice: toSliceId(slice), attempt, part, offset },
  ...encodeFloats(Float32Array.from(values), "fp32"),
});
export function chunksOf(slice: number, attempt = 0, parts = PARTS): Chunk[] {
  return parts.flatMap((part) => {
    const values = partOf(slice, attempt, part);
    return chunkOffsets(layout, values.length).map((offset) =>
      chunkOf(slice, attempt, part, offset, ...values.subarray(offset, offset + layout.chunkElements)),
    );
  });
}
export const contributionOf = (slice: number, attempt = 0) => ({
  ...{ type: "contribution" as const, step: STEP, slice: toSliceId(slice), attempt, samples: SAMPLES[slice]! },
  ...{ lossSum: slice + attempt / 4, correct: slice === 1 ? 0 : 1, ms: {}, io: {}, doneMs: 0 },
});

/** What a worker must have when these attempts are committed: sums in slice order, and each factor's rows. */
export function stepOf(attempts: readonly number[]): Float32Array[] {
  const [sums, ...others] = attempts.map((attempt, slice) => partOf(slice, attempt, 0)) as [Float32Array, Float32Array];
  for (const other of others) for (const [i, value] of other.entries()) sums[i] = sums[i]! + value;
  const rows = (part: number) => attempts.flatMap((attempt, slice) => [...partOf(slice, attempt, part)]);
  return [sums, Float32Array.from(rows(1)), Float32Array.from(rows(2))];
}

/** What a worker makes of what it is told. */
export function receive(assembly: StepAssembly, { message }: Outgoing): void {
  if (message.type === "withdrawn") assembly.withdraw(message);
  if (message.type !== "update-chunk") return;
  const samples = message.part === 0 ? 0 : assembly.samplesOf(message.slice);
  const elements = chunkLength(layout, partElements(layout, message.part, samples), message.offset)!;
  assembly.add({ ...message, values: decodeFloats(message, elements, "fp32") });
}
