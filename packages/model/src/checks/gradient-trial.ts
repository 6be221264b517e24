/**
 * Tries whether TensorFlow.js returns a gradient for every weight. Not every layer that computes can be differentiated.
 */
import { readBack, tf } from "@lockstep/engine";
import { at, LockstepError, messageOf } from "@lockstep/errors";
import { type Attempt, probeImages, type Tensors, tensorList, watchCalls } from "../layers/layer-calls.ts";
import { type Layer, layersOf } from "../layers/layers.ts";

/**
 * Computes the gradients of all weights on two random images, as a training step does, and returns the logits [2,
 * classes] in row-major order.
 *
 * @throws LockstepError ERR_MODEL_REFUSED that names the layer that fails, or the weight without a gradient
 */
export async function tryGradients(model: tf.LayersModel): Promise<Float32Array> {
  const weights = model.trainableWeights;
  const variables = weights.map((weight) => weight.read() as tf.Variable);
  const logitsTensors: tf.Tensor[] = [];
  const loss = () => {
    const logits = model.apply(probeImages(model), { training: true }) as tf.Tensor;
    logitsTensors.push(tf.keep(logits));
    return tf.logSoftmax(logits).sum<tf.Scalar>();
  };
  try {
    const { value, grads } = gradientsOrRefusal(model, () => tf.variableGrads(loss, variables));
    tf.dispose([value, grads]);
    const missing = weights.find((_, index) => grads[at(variables, index).name] == null);
    if (missing !== undefined) throw unreached(missing);
    return await readBack(at(logitsTensors, 0));
  } finally {
    tf.dispose(logitsTensors);
  }
}

function gradientsOrRefusal<Gradients>(model: tf.LayersModel, compute: () => Gradients): Gradients {
  try {
    return compute();
  } catch (cause) {
    const reason = at(messageOf(cause).split("\n"), 0).replace(/\.$/, "");
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
  return dilated ? "set its dilationRate to 1" : "remove it, or use layers that TensorFlow.js can differentiate";
}

function unreached({ originalName }: tf.LayerVariable): LockstepError {
  return new LockstepError(
    "ERR_MODEL_REFUSED",
    `The weight ${originalName} gets no gradient, because the model's output does not depend on it, or only through ` +
      "operations that TensorFlow.js cannot differentiate; remove its layer, or make the output depend on it.",
  );
}

/** Returns the first layer whose own gradient fails with this message. */
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
    // A layer that cannot even be called was probed just before.
  }
  return failing;
}

function gradientsOf(layer: Layer, attempt: Attempt, inputs: Tensors): void {
  const from = [...tensorList(inputs), ...layer.trainableWeights.map((weight) => weight.read())];
  const sum = () => tf.addN(tensorList(attempt(inputs)).map((output) => output.sum()));
  tf.engine().gradients(sum, from, undefined, true);
}
