/** Checks that a model can be trained on slices of a batch, so that the result does not depend on how it is sliced. */

import type { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { graphOf } from "../layers/graph.ts";
import { innerLayers, type Layer, layersOf } from "../layers/layers.ts";
import { signatureOf } from "../layers/signature.ts";
import { isImpostor } from "../layers/standard-layers.ts";
import { mixingLayers } from "./batch-probe.ts";
import { tryGradients } from "./gradient-trial.ts";

/** Says what `assertTrainable` expects of a model, and how much it tries out. */
export interface TrainableOptions {
  /** The classes that the labels have; the model must have as many outputs. */
  numClasses: number;
  /** Accept a model that ends in softmax. @default false */
  allowSoftmax?: boolean;
  /** Compute a gradient on two images. A model that was built from a spec can do without: each of its layers is known. @default true */
  tryOut?: boolean;
}

/**
 * Resolves if the model can be trained: images in, `numClasses` logits out, and each row of the output a function of
 * its own row of the input, without chance of the layers' own. Plain Dropout is fine: the trainer draws its masks.
 *
 * Whether standard layers mix rows is known of most of them. Any other layer is tried out on two random images with the
 * model's present weights (see `mixingLayers`), which shows dependence but does not prove independence. Whether all
 * weights get a gradient, and whether the outputs are probabilities already, is tried out on two images, too.
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
      `Layer ${mixing.name} (${mixing.getClassName()}) gave other results for two images at once than for each by itself`,
      "in training a layer may look at one row of the batch only, and may draw no random numbers and keep no state; " +
        "use tf.layers.dropout for chance and tf.layers.layerNormalization for normalisation",
    );
  }
}

function refuse(reason: string, remedy: string): never {
  throw new LockstepError("ERR_MODEL_REFUSED", `${reason}; ${remedy}.`);
}

const MOVES_NUMBERS = new Set(["Reshape", "Flatten", "Permute", "Dropout"]);

/** Returns whether the layer changes no number, so that a softmax could hide behind it. */
function keepsNumbers(layer: Layer): boolean {
  const kind = layer.getClassName();
  return MOVES_NUMBERS.has(kind) || (kind === "Activation" && layer.getConfig()["activation"] === "linear");
}

function assertLogits(model: tf.LayersModel): void {
  let { source } = graphOf(model).outputs[0]!;
  while (keepsNumbers(source.layer)) source = source.inputs[0]!.source;
  const { layer } = source;
  if (layer.getClassName() !== "Softmax" && layer.getConfig()["activation"] !== "softmax") return;
  refuseSoftmax(`The model ends in softmax (layer ${layer.name})`);
}

/** Returns whether the outputs for two images are those of a softmax, whichever layers made them. */
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
    "leave it out, so that the model gives logits, or pass --allow-softmax to see for yourself",
  );
}

const OWN_CHANCE = "it draws random numbers of its own, which differ from worker to worker";
const USE_DROPOUT = "use tf.layers.dropout, whose masks follow from the seed";
const USE_AUGMENT = "leave it out and change the images by --augment";

const REFUSED: ReadonlyMap<string, readonly [reason: string, remedy: string]> = new Map([
  [
    "BatchNormalization",
    [
      "it normalises with the mean and variance of the rows that happen to be computed together, so slicing a batch changes its result",
      "leave it out, or use tf.layers.layerNormalization, which looks at one row",
    ],
  ],
  ["GaussianNoise", [OWN_CHANCE, USE_DROPOUT]],
  ["GaussianDropout", [OWN_CHANCE, USE_DROPOUT]],
  ["AlphaDropout", [OWN_CHANCE, USE_DROPOUT]],
  ["SpatialDropout1D", [OWN_CHANCE, USE_DROPOUT]],
  ["RandomWidth", [OWN_CHANCE, USE_AUGMENT]],
  ["RandomHeight", [OWN_CHANCE, USE_AUGMENT]],
]);

/**
 * Standard layers that compute each row of the batch from that row alone; recurrent ones as far as `assertLayer` allows.
 * Concatenate and Dot can be told to work along the axis of the batch, so they are not listed, but tried out.
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

/** @param holder the wrapper or recurrent layer that `layer` is a part of */
function assertLayer(layer: Layer, holder?: Layer): void {
  const kind = layer.getClassName();
  const place =
    holder === undefined ? `${layer.name} (${kind})` : `${holder.name} (${kind} inside ${holder.getClassName()})`;
  const refuseLayer = (reason: string, remedy: string) =>
    refuse(`Layer ${place} cannot be trained here: ${reason}`, remedy);
  if (isImpostor(layer)) {
    refuseLayer(
      `it has the class name of TensorFlow.js' own ${kind}, but computes in a way of its own`,
      "give its class another static className",
    );
  }
  const refused = REFUSED.get(kind);
  if (refused !== undefined) refuseLayer(...refused);
  const { dropout = 0, recurrentDropout = 0 } = layer as { dropout?: number; recurrentDropout?: number };
  if (isKnown(layer) && (dropout > 0 || recurrentDropout > 0)) {
    refuseLayer(OWN_CHANCE, "set its dropout and recurrentDropout to 0 and put tf.layers.dropout before it");
  }
  if (kind !== "Dropout") return;
  if (holder !== undefined) {
    refuseLayer(
      "the trainer gives masks to Dropout layers of the model itself only",
      "put tf.layers.dropout before or after it",
    );
  }
  if ((layer as { noiseShape?: unknown }).noiseShape != null) {
    refuseLayer("the trainer draws a mask for every unit", "leave out noiseShape");
  }
}

function assertWeights(model: tf.LayersModel): void {
  const weights = model.trainableWeights;
  if (model.weights.length === 0) {
    refuse(`The model ${model.name} has no weights, so there is nothing to train`, "give it a Dense or Conv layer");
  }
  const constrained = weights.find(({ constraint }) => constraint != null);
  if (constrained !== undefined) {
    refuse(
      `The weight ${constrained.originalName} has a constraint, which the update does not apply`,
      "leave it out, or use a regularizer or --weight-decay",
    );
  }
  const [frozen] = model.nonTrainableWeights;
  if (frozen !== undefined) {
    refuse(
      `The weight ${frozen.originalName} is frozen, but every weight is trained here`,
      "set trainable: true on its layer",
    );
  }
  const twice = weights.find((weight, index) => weights.indexOf(weight) !== index);
  if (twice !== undefined) {
    refuse(
      `The weight ${twice.originalName} stands in the model twice, because two models or wrappers hold its layer, or one does beside the model itself`,
      "put the layer in once, and apply it to several inputs if it shall be used several times",
    );
  }
}
