/** Checks that a model can be trained on slices of a batch with a result that does not depend on the slicing. */

import type { tf } from "@lockstep/engine";
import { at, LockstepError } from "@lockstep/errors";
import { graphOf } from "../layers/graph.ts";
import { innerLayers, type Layer, layersOf } from "../layers/layers.ts";
import { signatureOf } from "../layers/signature.ts";
import { isImpostor } from "../layers/standard-layers.ts";
import { mixingLayers } from "./batch-probe.ts";
import { tryGradients } from "./gradient-trial.ts";

/** Options of `assertTrainable`. */
export interface TrainableOptions {
  /** Number of classes of the labels. The model must have as many outputs. */
  numClasses: number;
  /** Accept a model that ends in softmax. @default false */
  allowSoftmax?: boolean;
  /**
   * Compute a gradient on two images. A model built from a spec does not need this: all of its layers are known.
   *
   * @default true
   */
  tryOut?: boolean;
}

/**
 * Resolves if the model can be trained: it maps images to `numClasses` logits, and each row of the output depends only
 * on its own row of the input, without random numbers drawn by layers. Dropout layers are allowed: the
 * trainer draws their masks.
 *
 * Most standard layers are known not to mix rows. Any other layer is run on two random images with the model's present
 * weights (see `mixingLayers`), which can show a dependence but not prove its absence. A run on two images also shows
 * whether all weights get a gradient, and whether the outputs are probabilities already.
 *
 * @throws LockstepError ERR_MODEL_REFUSED with the layer, the reason and the remedy
 */
export async function assertTrainable(model: tf.LayersModel, options: TrainableOptions): Promise<void> {
  const { numClasses, allowSoftmax = false, tryOut = true } = options;
  const signature = signatureOf(model);
  if (signature.numClasses !== numClasses) {
    refuse(
      `Expected a model with ${numClasses} outputs, one for each class, but ${model.name} has ${signature.numClasses}`,
      "change the units of its last layer (a module's function is given numClasses), or set --num-classes",
    );
  }
  if (!allowSoftmax) assertLogits(model);
  const layers = layersOf(model);
  for (const layer of layers) {
    assertLayer(layer);
    for (const inner of innerLayers(layer)) assertLayer(inner, layer);
  }
  assertWeights(model);
  if (tryOut) {
    const logits = await tryGradients(model);
    if (!allowSoftmax && areProbabilities(logits)) refuseSoftmax("The model's outputs are probabilities");
  }
  const unknown = layers.flatMap((layer) => [layer, ...innerLayers(layer)]).filter((layer) => !isKnown(layer));
  const [mixing] = await mixingLayers(model, unknown);
  if (mixing !== undefined) {
    refuse(
      `Layer ${mixing.name} (${mixing.getClassName()}) gave different results for two images together and for each alone`,
      "in training, a layer may use only one row of the batch, draw no random numbers and keep no state; " +
        "use tf.layers.dropout for randomness and tf.layers.layerNormalization for normalization",
    );
  }
}

function refuse(reason: string, remedy: string): never {
  throw new LockstepError("ERR_MODEL_REFUSED", `${reason}; ${remedy}.`);
}

const RESHAPING_LAYERS = new Set(["Reshape", "Flatten", "Permute", "Dropout"]);

/** Returns whether the layer passes all values through unchanged, so that a softmax before it decides the output. */
function passesValues(layer: Layer): boolean {
  const kind = layer.getClassName();
  return RESHAPING_LAYERS.has(kind) || (kind === "Activation" && layer.getConfig()["activation"] === "linear");
}

function assertLogits(model: tf.LayersModel): void {
  let { source } = at(graphOf(model).outputs, 0);
  while (passesValues(source.layer)) source = at(source.inputs, 0).source;
  const { layer } = source;
  if (layer.getClassName() !== "Softmax" && layer.getConfig()["activation"] !== "softmax") return;
  refuseSoftmax(`The model ends in softmax (layer ${layer.name})`);
}

/** Returns whether the outputs for two images look like probabilities, whichever layers compute them. */
function areProbabilities(outputs: Float32Array): boolean {
  const rows = [outputs.subarray(0, outputs.length / 2), outputs.subarray(outputs.length / 2)];
  const sums = rows.map((row) => row.reduce((sum, value) => sum + value, 0));
  const differ = new Set(outputs).size > 1;
  return differ && outputs.every((value) => value >= 0) && sums.every((sum) => Math.abs(sum - 1) < 1e-4);
}

function refuseSoftmax(what: string): never {
  refuse(
    `${what}, but the loss contains a softmax already: applied twice it squeezes the outputs into 0 to 1, the ` +
      "gradients shrink and training does not converge properly",
    "remove it, so that the model returns logits, or pass --allow-softmax to train anyway",
  );
}

const OWN_RANDOMNESS = "it draws its own random numbers, which differ between workers";
const USE_DROPOUT = "use tf.layers.dropout, whose masks are derived from the seed";
const USE_AUGMENT = "remove it and augment the images with --augment";

const REFUSED: ReadonlyMap<string, readonly [reason: string, remedy: string]> = new Map([
  [
    "BatchNormalization",
    [
      "it normalizes with the mean and variance of the rows in its slice, so slicing a batch changes its result",
      "remove it, or use tf.layers.layerNormalization, which normalizes each row separately",
    ],
  ],
  ["GaussianNoise", [OWN_RANDOMNESS, USE_DROPOUT]],
  ["GaussianDropout", [OWN_RANDOMNESS, USE_DROPOUT]],
  ["AlphaDropout", [OWN_RANDOMNESS, USE_DROPOUT]],
  ["SpatialDropout1D", [OWN_RANDOMNESS, USE_DROPOUT]],
  ["RandomWidth", [OWN_RANDOMNESS, USE_AUGMENT]],
  ["RandomHeight", [OWN_RANDOMNESS, USE_AUGMENT]],
]);

/**
 * Standard layers that compute each row of the batch from that row alone, given the further checks of `assertLayer`.
 * Concatenate and Dot can be configured to work along the batch axis, so they are not listed but probed.
 */
const ROW_BY_ROW = new Set(
  `InputLayer Dense Dropout Flatten Activation RepeatVector Reshape Permute Masking Embedding
  Conv1D Conv2D Conv3D Conv2DTranspose Conv3DTranspose SeparableConv2D DepthwiseConv2D
  Cropping2D UpSampling2D ZeroPadding2D Rescaling Resizing CenterCrop
  MaxPooling1D AveragePooling1D MaxPooling2D AveragePooling2D MaxPooling3D AveragePooling3D
  GlobalAveragePooling1D GlobalMaxPooling1D GlobalAveragePooling2D GlobalMaxPooling2D
  ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax LayerNormalization
  Add Multiply Average Maximum Minimum
  SimpleRNN SimpleRNNCell GRU GRUCell LSTM LSTMCell ConvLSTM2D ConvLSTM2DCell RNN StackedRNNCells
  TimeDistributed Bidirectional`.split(/\s+/),
);

const isKnown = (layer: Layer) => ROW_BY_ROW.has(layer.getClassName());

/** @param holder the wrapper or recurrent layer that contains `layer` */
function assertLayer(layer: Layer, holder?: Layer): void {
  const kind = layer.getClassName();
  const place =
    holder === undefined ? `${layer.name} (${kind})` : `${holder.name} (${kind} inside ${holder.getClassName()})`;
  const refuseLayer = (reason: string, remedy: string) =>
    refuse(`Layer ${place} cannot be trained here: ${reason}`, remedy);
  if (isImpostor(layer)) {
    refuseLayer(
      `it has the class name of TensorFlow.js' own ${kind}, but a different computation`,
      "give its class another static className",
    );
  }
  const refused = REFUSED.get(kind);
  if (refused !== undefined) refuseLayer(...refused);
  const { dropout = 0, recurrentDropout = 0 } = layer as { dropout?: number; recurrentDropout?: number };
  if (isKnown(layer) && (dropout > 0 || recurrentDropout > 0)) {
    refuseLayer(OWN_RANDOMNESS, "set its dropout and recurrentDropout to 0 and put tf.layers.dropout before it");
  }
  if (kind !== "Dropout") return;
  if (holder !== undefined) {
    refuseLayer(
      "the trainer supplies masks only to Dropout layers of the model itself",
      "put tf.layers.dropout before or after it",
    );
  }
  if ((layer as { noiseShape?: unknown }).noiseShape != null) {
    refuseLayer("the trainer draws a mask for every unit", "remove noiseShape");
  }
}

function assertWeights(model: tf.LayersModel): void {
  const weights = model.trainableWeights;
  if (model.weights.length === 0) {
    refuse(`The model ${model.name} has no weights, so there is nothing to train`, "add a Dense or Conv layer");
  }
  const constrained = weights.find(({ constraint }) => constraint != null);
  if (constrained !== undefined) {
    refuse(
      `The weight ${constrained.originalName} has a constraint, which the update does not apply`,
      "remove it, or use a regularizer or --weight-decay",
    );
  }
  const [frozen] = model.nonTrainableWeights;
  if (frozen !== undefined) {
    refuse(
      `The weight ${frozen.originalName} is frozen, but Lockstep trains every weight`,
      "set trainable: true on its layer",
    );
  }
  const duplicate = weights.find((weight, index) => weights.indexOf(weight) !== index);
  if (duplicate !== undefined) {
    refuse(
      `The weight ${duplicate.originalName} is in the model twice: two models or wrappers contain its layer, or one does in addition to the model itself`,
      "add the layer once, and apply it to several inputs to use it several times",
    );
  }
}
