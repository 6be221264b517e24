/** Checks what a coordinator asks of a worker; for anything else the worker leaves with the reason. */
import type { BatchMeta } from "@lockstep/dataset";
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import { type CoordinatorMessage, type MessageOf, makeLayout, type TensorSpec } from "@lockstep/gradient-sync";

type Sizes = Pick<BatchMeta, "trainSamples" | "validationSamples" | "testSamples">;

/** Chunks that the dense part of a gradient may be cut into. */
const MAX_CHUNKS = 2 ** 16;

/**
 * Checks that a run can begin as the coordinator says.
 *
 * @param step updates that this worker's weights have; undefined if it has none
 * @throws LockstepError ERR_PLAN for a way that the gradients of this model cannot go, ERR_MESSAGE_ORDER if this worker
 *   is to go on with weights that it has not
 */
export function assertStart(start: MessageOf<"start">, tensors: readonly TensorSpec[], step: number | undefined): void {
  const { forms, state, chunkBytes } = start;
  if (state === "held") assertWeights(step, "start");
  const formsFit = tensors.every(({ shape }, index) => forms[index] !== "factored" || shape.length === 2);
  assert(formsFit && forms.length === tensors.length, "ERR_PLAN", `a form for each of ${tensors.length} tensors`);
  const { denseElements, chunkElements } = makeLayout(tensors, start);
  const chunks = Math.ceil(denseElements / chunkElements);
  assert(chunks <= MAX_CHUNKS, "ERR_PLAN", `at most ${MAX_CHUNKS} chunks, got ${chunks} of ${chunkBytes} bytes`);
}

/** Makes the error of a message that needs the weights of the run, where this worker has none. */
export function missingWeightsError(type: CoordinatorMessage["type"]): LockstepError {
  return unexpected("ERR_MESSAGE_ORDER", `the weights of the run before ${type}`);
}

/** @throws LockstepError ERR_MESSAGE_ORDER for what needs weights, if there are none */
function assertWeights(step: number | undefined, type: CoordinatorMessage["type"]): asserts step is number {
  if (step === undefined) throw missingWeightsError(type);
}

/**
 * Checks the slices of a step.
 *
 * @param step updates that this worker's weights have
 * @throws LockstepError ERR_MESSAGE_ORDER for another step than the next, ERR_SLICE for slices that do not make up the
 *   batch
 */
export function assertAssign(assign: MessageOf<"assign">, step: number | undefined, { trainSamples }: Sizes): void {
  assertWeights(step, "assign");
  const { start, end, sliceSamples } = assign;
  assert(assign.step === step, "ERR_MESSAGE_ORDER", `step ${step}, got step ${assign.step}`);
  const rows = sliceSamples.reduce((total, samples) => total + samples, 0);
  const what = `slices of samples [${start}, ${end}) of ${trainSamples}, got ${rows} samples`;
  assert(start < end && end <= trainSamples && rows === end - start, "ERR_SLICE", what);
  assertSlices(assign, assign);
}

/** Checks slices against their step. @throws LockstepError ERR_SLICE for one that is none of its step's */
export function assertSlices(
  { slices }: Pick<MessageOf<"assign">, "slices">,
  { start, sliceSamples }: Pick<MessageOf<"assign">, "start" | "sliceSamples">,
): void {
  let next = start;
  const starts = [start, ...sliceSamples.map((samples) => (next += samples))];
  for (const { slice, start, end } of slices) {
    const isOfStep = slice < sliceSamples.length && start === starts[slice] && end === starts[slice + 1];
    assert(isOfStep, "ERR_SLICE", `slice ${slice} to be one of the step's, got samples [${start}, ${end})`);
  }
}

/** Checks a range of samples to evaluate. @throws LockstepError ERR_SLICE for samples that there are not */
export function assertEvaluate({ part: split, start, end }: MessageOf<"evaluate">, sizes: Sizes): void {
  const samples = split === "validation" ? sizes.validationSamples : sizes.testSamples;
  assert(start < end && end <= samples, "ERR_SLICE", `${split} samples below ${samples}, got [${start}, ${end})`);
}

function assert(holds: boolean, code: ErrorCode, what: string): asserts holds {
  if (!holds) throw unexpected(code, what);
}

function unexpected(code: ErrorCode, what: string): LockstepError {
  return new LockstepError(code, `Expected from the coordinator ${what}.`);
}
