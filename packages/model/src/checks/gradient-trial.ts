/** Trying out whether TensorFlow.js gives a gradient for every weight: not every layer that computes can be trained. */
import { readBack, tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { type Attempt, probeImages, type Tensors, tensorList, watchCalls } from "../layers/layer-calls.ts";
import { type Layer, layersOf } from "../layers/layers.ts";
import { messageOf } from "../load/model-file.ts";

/**
 * Computes the gradients of all weights on two random images, as a step of training does, and returns the logits [2,
 * classes] row after row.
 *
 * @throws LockstepError ERR_MODEL_REFUSED that names the layer for which TensorFlow.js gives no gradient, or that fails
 */
export async function tryGradients(model: tf.LayersModel): Promise<Float32Array> {
  const weights = model.trainableWeights;
  const variables = weights.map((weight) => weight.read() as tf.Variable);
  const logitsTensors: tf.Tensor[] = [];
  const loss = () => {
    const logits = model.apply(probeImages(model), { training: true }) as tf.Tensor;
    logitsTensors.push(tf.keep(logits));
    return tf.logSoftmax(logits).sum() as tf.Scalar;
  };
  try {
    const { value, grads } = gradientsOrRefusal(model, () => tf.variableGrads(loss, variables));
    tf.dispose([value, grads]);
    const missing = weights.find((_, index) => grads[variables[index]!.name] == null);
    if (missing !== undefined) throw unreached(missing);
    return await readBack(logitsTensors[0]!);
  } finally {
    tf.dispose(logitsTensors);
  }
}

function gradientsOrRefusal<Gradients>(model: tf.LayersModel, compute: () => Gradients): Gradients {
  try {
    return compute();
  } catch (cause) {
    const reason = messageOf(cause).split("\n")[0]!.replace(/\.$/, "");
    const layer = failingLayer(model, messageOf(cause));
    const name = layer === undefined ? "The model" : `Layer ${layer.name} (${layer.getClassName()})`;
    throw new LockstepError(
      "ERR_MODEL_REFUSED",
      `${name} cannot be trained here: computing a gradient on two images failed (${reason}); ${remedyFor(layer)}.`,
      { cause },
    );
  }
}

function remedyFor(layer: Layer | undefined): string {
  if (layer === undefined) return "change the model so that TensorFlow.js can compute and differentiate it";
  const dilated = [layer.getConfig()["dilationRate"]].flat().some((rate) => Number(rate) > 1);
  return dilated ? "set its dilationRate to 1" : "leave it out, or use layers that TensorFlow.js can differentiate";
}

function unreached({ originalName }: tf.LayerVariable): LockstepError {
  return new LockstepError(
    "ERR_MODEL_REFUSED",
    `The weight ${originalName} gets no gradient, because the model's output does not depend on it, or only through ` +
      "operations that TensorFlow.js cannot differentiate; leave its layer out, or make the output depend on it.",
  );
}

/** The first layer whose own gradient fails with this message. */
function failingLayer(model: tf.LayersModel, message: string): Layer | undefined {
  let failing: Layer | undefined;
  try {
    watchCalls(model, layersOf(model), (layer, attempt, inputs) => {
      try {
        if (failing === undefined) tf.tidy(() => gradientsOf(layer, attempt, inputs));
      } catch (error) {
        if (messageOf(error) === message) failing = layer;
      }
    });
  } catch {
    // A layer that cannot even be called was tried just before.
  }
  return failing;
}

function gradientsOf(layer: Layer, attempt: Attempt, inputs: Tensors): void {
  const from = [...tensorList(inputs), ...layer.trainableWeights.map((weight) => weight.read())];
  const sum = () => tf.addN(tensorList(attempt(inputs)).map((output) => output.sum()));
  tf.engine().gradients(sum, from, undefined, true);
}
