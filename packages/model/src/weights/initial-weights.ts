/** Draws the weights that training starts from. They are a pure function of the model, the rule and the seed. */

import type { tf } from "@lockstep/engine";
import { defined, LockstepError } from "@lockstep/errors";
import { elementCount } from "@lockstep/formats";
import { hasTorchKernel, type Layer } from "../layers/layers.ts";
import { DEFAULT_INIT, type Init } from "./init.ts";
import { type PresetWeights, readPresetWeights } from "./preset-weights.ts";
import { type DrawAt, drawAs, normal, uniformIn } from "./random-initializers.ts";
import { fanInOf, isKernel, isTorchBias } from "./weight-roles.ts";
import { weightShape } from "./weight-shape.ts";
import { weightSource } from "./weight-sources.ts";

/** Options of `initialWeights`. */
export interface InitOptions {
  /** Draws all weights. @default keeps the weights that the model's module set, and draws the rest by DEFAULT_INIT */
  init?: Init | undefined;
  /** Seed, from 0 to 2³² − 1. */
  seed: number;
}

/**
 * Returns the values of `model.trainableWeights`, in that order and in TensorFlow.js' layout. Weight k is drawn from
 * the stream "init" at place [k, 0, 0], so it depends neither on other draws nor on the backend.
 *
 * - `pytorch`: kernels and biases from U(−1/√fan_in, 1/√fan_in), as in `nn.Linear` and `nn.Conv2d`:
 *   kaiming-uniform with a = √5 has the bound √(6 / ((1 + a²)·fan_in)) = 1/√fan_in.
 * - `he`: kernels from N(0, 2 / fan_in), biases 0. Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015.
 * - `paper`: kernels from N(0, 0.01²); biases 1 in the 2nd, 4th and 5th convolution and in every Dense layer but the
 *   last, else 0. Source: Krizhevsky, Sutskever, Hinton, 2012, section 5.
 *
 * Kernels are those of the standard layers, and biases those of Dense and Conv layers. Every other weight is set by its
 * layer's initializer (a LayerNormalization's gamma, an Embedding's table, weights of the user's own layers). A random
 * initializer of TensorFlow.js draws from the seed.
 *
 * @param preset the model's preset weights; required if a replica has replaced the model's weights since they were read
 * @throws LockstepError ERR_MODEL_REFUSED for a weight whose initializer cannot be repeated, or that was set to NaN
 */
export async function initialWeights(
  model: tf.LayersModel,
  { init, seed }: InitOptions,
  preset?: PresetWeights,
): Promise<Float32Array[]> {
  const { written, constant } = preset ?? (await readPresetWeights(model));
  const weights = model.trainableWeights;
  const rule = RULES[init ?? DEFAULT_INIT];
  const facts = { withBiasOne: layersWithBiasOne(weights) };
  return weights.map((weight, index) => {
    const at: DrawAt = { seed, place: [index, 0, 0] };
    const set = init === undefined ? written.get(index) : undefined;
    if (set !== undefined) return assertFinite(weight, set).slice();
    if (isKernel(weight)) return rule.kernel(weight, at);
    if (isTorchBias(weight)) return rule.bias(weight, at, facts);
    return drawOwn(weight, at) ?? constant.get(index)?.slice() ?? refuseRandom(weight);
  });
}

interface Rule {
  kernel(weight: tf.LayerVariable, at: DrawAt): Float32Array;
  bias(weight: tf.LayerVariable, at: DrawAt, facts: { withBiasOne: ReadonlySet<Layer> }): Float32Array;
}

const RULES: Record<Init, Rule> = {
  pytorch: {
    kernel: (weight, at) => torchUniform(weight, fanInOf(weight), at),
    bias: (weight, at) => torchUniform(weight, fanInOf(kernelBeside(weight)), at),
  },
  he: {
    kernel: (weight, at) => normal(0, Math.sqrt(2 / fanInOf(weight)), weightShape(weight), at),
    bias: (weight) => filled(weight, 0),
  },
  paper: {
    kernel: (weight, at) => normal(0, 0.01, weightShape(weight), at),
    bias: (weight, _, { withBiasOne }) => filled(weight, withBiasOne.has(layerOf(weight)) ? 1 : 0),
  },
};

/** Returns the layer that made a weight. */
const layerOf = (weight: tf.LayerVariable): Layer => defined(weightSource(weight), "a layer of the weight").layer;

/** Returns the kernel of the layer that made a bias. */
const kernelBeside = (bias: tf.LayerVariable): tf.LayerVariable => defined(layerOf(bias).weights[0], "a kernel");

/** Draws from U(−1/√inputs, 1/√inputs). */
function torchUniform(weight: tf.LayerVariable, inputs: number, at: DrawAt): Float32Array {
  const bound = 1 / Math.sqrt(inputs);
  return uniformIn(-bound, bound, weightShape(weight), at);
}

function filled(weight: tf.LayerVariable, value: number): Float32Array {
  return new Float32Array(elementCount(weight.shape)).fill(value);
}

/** Returns the 2nd, 4th and 5th convolution and all Dense layers but the last. */
function layersWithBiasOne(weights: readonly tf.LayerVariable[]): Set<Layer> {
  const layers = new Set(weights.filter(isKernel).map(layerOf));
  const ofKind = (kind: string) =>
    [...layers].filter((layer) => layer.getClassName().startsWith(kind) && hasTorchKernel(layer));
  const convolutions = ofKind("Conv");
  return new Set([...[1, 3, 4].flatMap((index) => convolutions[index] ?? []), ...ofKind("Dense").slice(0, -1)]);
}

/** Draws a weight according to its own initializer, if that is a random one of TensorFlow.js. */
function drawOwn(weight: tf.LayerVariable, at: DrawAt): Float32Array | undefined {
  const source = weightSource(weight);
  return source && drawAs(source.initializer, weightShape(weight), at);
}

function assertFinite(weight: tf.LayerVariable, values: Float32Array): Float32Array {
  const wrong = values.find((value) => !Number.isFinite(value));
  if (wrong === undefined) return values;
  throw new LockstepError(
    "ERR_MODEL_REFUSED",
    `${titleOf(weight)} was set to a value that is not finite (${wrong}) by the model's module; ` +
      "load other weights, or draw all weights with --init pytorch.",
  );
}

function refuseRandom(weight: tf.LayerVariable): never {
  const source = weightSource(weight);
  const why =
    source === undefined
      ? "was created without addWeight, so its initializer is unknown, and its values differ each time the model is built"
      : `has a custom initializer (${source.initializer.getClassName()}) that returned different numbers at its second call`;
  throw new LockstepError(
    "ERR_MODEL_REFUSED",
    `${titleOf(weight)} ${why}, so --seed cannot repeat it. Give it an initializer from tf.initializers, ` +
      "or set its values with setWeights.",
  );
}

const titleOf = ({ originalName, shape }: tf.LayerVariable) => `The weight ${originalName} [${shape.join(", ")}]`;
