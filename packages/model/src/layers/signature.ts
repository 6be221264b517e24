/** The signature of a model: images in, one number for each class out. */

import type { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";

/** The signature says which images a model takes, and how many numbers it returns for each. */
export interface ModelSignature {
  /** [height, width, channels] */
  inputShape: [number, number, number];
  numClasses: number;
}

/** @throws LockstepError ERR_MODEL_REFUSED for a model that does not map float images to one row of logits each */
export function signatureOf(model: tf.LayersModel): ModelSignature {
  const refuse = (expected: string, got: string): never => {
    throw new LockstepError(
      "ERR_MODEL_REFUSED",
      `Expected ${expected}, but ${model.name} has ${got}; docs/models.md shows how.`,
    );
  };
  const [input] = model.inputs;
  const [output] = model.outputs;
  if (model.inputs.length !== 1)
    refuse("a model with one input", `${model.inputs.length}: ${model.inputNames.join(", ")}`);
  if (model.outputs.length !== 1)
    refuse("a model with one output", `${model.outputs.length}: ${model.outputNames.join(", ")}`);
  if (input!.dtype !== "float32") refuse("an input of the type float32", `one of ${input!.dtype}`);
  const [batch, ...image] = input!.shape;
  if (batch !== null || image.length !== 3 || image.includes(null)) {
    refuse("an input of [null, height, width, channels], null for a batch of any size", shown(input!.shape));
  }
  const [rows, numClasses, ...more] = output!.shape;
  if (rows !== null || typeof numClasses !== "number" || more.length > 0) {
    refuse("an output of [null, classes]", shown(output!.shape));
  }
  return { inputShape: image as [number, number, number], numClasses: numClasses! };
}

const shown = (shape: readonly (number | null)[]) => `[${shape.map(String).join(", ")}]`;
