/** The weights that training starts from: pure functions of the model's layers, the rule and the seed. */
import { readBack, type tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { normals, uniforms } from "@lockstep/random";
import { elementCount, hasTorchKernel, type Layer, layersOf } from "./layers.ts";

export type Init = "pytorch" | "he" | "paper";

export interface InitOptions {
  init: Init;
  /** From 0 to 2³² − 1. */
  seed: number;
}

/**
 * Values for each of `model.trainableWeights`, in that order and in TensorFlow.js' layout. Weight k is drawn from the
 * stream "init" at place [k, 0, 0], so it depends on nothing that was drawn before it, nor on the backend.
 *
 * - `pytorch`: kernels and biases from U(−1/√fan_in, 1/√fan_in). That is what `nn.Linear` and `nn.Conv2d` do:
 *   kaiming-uniform with a = √5 has the bound √(6 / ((1 + a²)·fan_in)) = 1/√fan_in.
 * - `he`: kernels from N(0, 2 / fan_in), biases 0. Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015.
 * - `paper`: kernels from N(0, 0.01²); biases 1 in the 2nd, 4th and 5th convolution and in every Dense layer but the
 *   last, else 0. Source: Krizhevsky, Sutskever, Hinton, 2012, section 5.
 *
 * In other layers too a weight of two or more axes is drawn as a kernel. One of fewer keeps what the layer's own
 * initialiser gave it, which must be constant (one or two different values: an LSTM's bias has two).
 *
 * @param constants of this model, if a replica has taken the place of its weights since they were read
 * @throws LockstepError ERR_MODEL_REFUSED for a weight of fewer than two axes that was drawn at random
 */
export async function initialWeights(
  model: tf.LayersModel,
  options: InitOptions,
  constants?: ConstantWeights,
): Promise<Float32Array[]> {
  const own = constants ?? (await constantWeights(model));
  const layers = layersOf(model);
  const withBiasOne = layersWithBiasOne(layers);
  const values: Float32Array[] = [];
  for (const layer of layers) {
    for (const weight of layer.trainableWeights) {
      const size = elementCount(weight.shape);
      const index = values.length;
      if (weight.shape.length >= 2) values.push(drawKernel(index, size, fanIn(weight), options));
      else if (!hasTorchKernel(layer)) values.push(expectConstant(weight, own.get(index)!));
      else if (options.init === "pytorch") values.push(uniform(index, size, fanIn(layer.weights[0]!), options.seed));
      else values.push(new Float32Array(size).fill(options.init === "paper" && withBiasOne.has(layer) ? 1 : 0));
    }
  }
  return values;
}

function drawKernel(index: number, size: number, inputs: number, { init, seed }: InitOptions): Float32Array {
  if (init === "pytorch") return uniform(index, size, inputs, seed);
  const deviation = init === "he" ? Math.sqrt(2 / inputs) : 0.01;
  return scale(normals(seed, "init", [index, 0, 0], size), deviation, 0);
}

/** U(−1/√inputs, 1/√inputs) */
function uniform(index: number, size: number, inputs: number, seed: number): Float32Array {
  const bound = 1 / Math.sqrt(inputs);
  return scale(uniforms(seed, "init", [index, 0, 0], size), 2 * bound, -bound);
}

/** factor·x + offset, in place. */
function scale(values: Float32Array, factor: number, offset: number): Float32Array {
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * factor + offset;
  return values;
}

/** How many numbers an output is the sum of: all axes but the last, and in a depthwise kernel only its window. */
function fanIn({ shape, originalName }: tf.LayerVariable): number {
  return elementCount(shape.slice(0, originalName.endsWith("depthwise_kernel") ? -2 : -1));
}

function layersWithBiasOne(layers: readonly Layer[]): Set<Layer> {
  const ofKind = (kind: string) =>
    layers.filter((layer) => layer.getClassName().startsWith(kind) && hasTorchKernel(layer));
  const convolutions = ofKind("Conv");
  const dense = ofKind("Dense");
  return new Set([...[1, 3, 4].flatMap((index) => convolutions[index] ?? []), ...dense.slice(0, -1)]);
}

/** What layers' own initialisers gave the weights that are not drawn, by their index in the model. */
export type ConstantWeights = ReadonlyMap<number, Float32Array>;

/** To be read while the weights are those that the layers were made with. */
export async function constantWeights(model: tf.LayersModel): Promise<ConstantWeights> {
  const constants = new Map<number, Float32Array>();
  const weights = layersOf(model).flatMap((layer) => layer.trainableWeights.map((weight) => ({ layer, weight })));
  for (const [index, { layer, weight }] of weights.entries()) {
    if (weight.shape.length >= 2 || hasTorchKernel(layer)) continue;
    constants.set(index, (await readBack(weight.read())).slice());
  }
  return constants;
}

function expectConstant({ originalName, shape }: tf.LayerVariable, values: Float32Array): Float32Array {
  if (new Set(values).size <= 2) return values.slice();
  throw new LockstepError(
    "ERR_MODEL_REFUSED",
    `The initialiser of ${originalName} [${shape.join(", ")}] drew random values, which --seed cannot repeat; ` +
      'give that weight a constant initialiser such as "zeros" or "ones".',
  );
}
