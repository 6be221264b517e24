/** Determines a model's signature: it maps images to one logit for each class. */

import type { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";

/** The shape of a model's input images, and its number of outputs. */
export interface ModelSignature {
  /** [height, width, channels] */
  inputShape: [number, number, number];
  numClasses: number;
}

/**
 * Returns the signature of a model.
 *
 * @throws LockstepError ERR_MODEL_REFUSED if the model does not map float images to one row of logits each
 */
export function signatureOf(model: tf.LayersModel): ModelSignature {
  const refuse = (expected: string, got: string): never => {
    throw new LockstepError(
      "ERR_MODEL_REFUSED",
      `Expected ${expected}, but ${model.name} has ${got}; docs/models.md shows how.`,
    );
  };
  const [input, ...otherInputs] = model.inputs;
  const [output, ...otherOutputs] = model.outputs;
  if (input === undefined || otherInputs.length > 0)
    return refuse("a model with one input", `${model.inputs.length}: ${model.inputNames.join(", ")}`);
  if (output === undefined || otherOutputs.length > 0)
    return refuse("a model with one output", `${model.outputs.length}: ${model.outputNames.join(", ")}`);
  if (input.dtype !== "float32") refuse("an input of the type float32", `one of ${input.dtype}`);
  const [batch, height, width, channels, ...otherAxes] = input.shape;
  if (batch !== null || height == null || width == null || channels == null || otherAxes.length > 0) {
    return refuse(
      "an input of [null, height, width, channels], null for a batch of any size",
      formatShape(input.shape),
    );
  }
  const [rows, numClasses, ...otherOutputAxes] = output.shape;
  if (rows !== null || typeof numClasses !== "number" || otherOutputAxes.length > 0) {
    return refuse("an output of [null, classes]", formatShape(output.shape));
  }
  return { inputShape: [height, width, channels], numClasses };
}

const formatShape = (shape: readonly (number | null)[]) => `[${shape.map(String).join(", ")}]`;
