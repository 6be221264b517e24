/** Checks the coordinator's requests. A worker that gets an invalid one leaves, and reports why. */
import type { BatchMeta } from "@lockstep/dataset";
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import { type CoordinatorMessage, type MessageOf, makeLayout, type TensorSpec } from "@lockstep/gradient-sync";
import { sum } from "@lockstep/run";

type Sizes = Pick<BatchMeta, "trainSamples" | "validationSamples" | "testSamples">;

/** Upper bound on the chunks of the dense part of a gradient. */
const MAX_CHUNKS = 2 ** 16;

/**
 * Checks that this worker can start as the coordinator says.
 *
 * @param step number of updates in this worker's weights; undefined if it has none of the run
 * @throws LockstepError ERR_PLAN if the plan does not fit this model's gradients, ERR_MESSAGE_ORDER if the worker is
 *   told to continue with weights that it does not hold
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

/** Makes the error for a message that needs the run's weights when this worker has none. */
export function missingWeightsError(type: CoordinatorMessage["type"]): LockstepError {
  return unexpected("ERR_MESSAGE_ORDER", `the weights of the run before ${type}`);
}

/** @throws LockstepError ERR_MESSAGE_ORDER if this worker has no weights of the run */
function assertWeights(step: number | undefined, type: CoordinatorMessage["type"]): asserts step is number {
  if (step === undefined) throw missingWeightsError(type);
}

/**
 * Checks the assignment of a step.
 *
 * @param step number of updates in this worker's weights
 * @throws LockstepError ERR_MESSAGE_ORDER if it is not the next step, ERR_SLICE if the slices do not cover the batch
 */
export function assertAssign(assign: MessageOf<"assign">, step: number | undefined, { trainSamples }: Sizes): void {
  assertWeights(step, "assign");
  const { start, end, sliceSamples, subtreeSlices } = assign;
  assert(assign.step === step, "ERR_MESSAGE_ORDER", `step ${step}, got step ${assign.step}`);
  const rows = sum(sliceSamples);
  const what = `slices that cover samples [${start}, ${end}) of ${trainSamples}, got ${rows} samples`;
  assert(start < end && end <= trainSamples && rows === end - start, "ERR_SLICE", what);
  const slices = sum(subtreeSlices);
  const subtrees = `subtrees of ${sliceSamples.length} slices, got ${slices} slices`;
  assert(slices === sliceSamples.length && !subtreeSlices.includes(0), "ERR_SLICE", subtrees);
  assertAttempts(assign, assign);
}

/** Checks attempts against their step. @throws LockstepError ERR_SLICE if one is not at a subtree of the step */
export function assertAttempts(
  { attempts }: Pick<MessageOf<"assign">, "attempts">,
  { subtreeSlices }: Pick<MessageOf<"assign">, "subtreeSlices">,
): void {
  for (const { subtree } of attempts) {
    const what = `an attempt at one of ${subtreeSlices.length} subtrees, got subtree ${subtree}`;
    assert(subtree < subtreeSlices.length, "ERR_SLICE", what);
  }
}

/** Checks a range of samples to evaluate. @throws LockstepError ERR_SLICE if the split has no such samples */
export function assertEvaluate({ part: split, start, end }: MessageOf<"evaluate">, sizes: Sizes): void {
  const samples = split === "validation" ? sizes.validationSamples : sizes.testSamples;
  assert(
    start < end && end <= samples,
    "ERR_SLICE",
    `a range of the ${samples} ${split} samples, got [${start}, ${end})`,
  );
}

function assert(holds: boolean, code: ErrorCode, what: string): asserts holds {
  if (!holds) throw unexpected(code, what);
}

function unexpected(code: ErrorCode, what: string): LockstepError {
  return new LockstepError(code, `Expected the coordinator to send ${what}.`);
}
