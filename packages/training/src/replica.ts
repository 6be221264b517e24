/**
 * A replica: the model of one worker with its own copy of the weights and their momentum.
 *
 * The layers of a `tf.LayersModel` need no rewriting. Three taps are put on them: weights are read from the
 * replica's parameters; Dense layers hand out the two factors of their gradient; Dropout takes its mask from counters.
 */
import { createParameters, type Parameters, type ParameterValues, tf } from "@lockstep/engine";
import { type DropoutDraw, dropoutMask } from "./dropout.ts";

/** The factors of a Dense layer's gradient, as the backward pass yields them. */
export interface Factors {
  input: tf.Tensor2D;
  delta: tf.Tensor2D;
}

type Layer = tf.layers.Layer;
type Inputs = tf.Tensor | tf.Tensor[];
type CallOptions = { training?: boolean };

export interface ReplicaOptions {
  /**
   * Names of the Dense layers whose gradients are taken as factors. One without a bias is left dense.
   * @default none
   */
  factoredLayers?: readonly string[];
  /**
   * The rate of every dropout layer, instead of their own.
   * @default each layer's own
   */
  dropout?: number | undefined;
}

export class Replica {
  readonly model: tf.LayersModel;
  readonly parameters: Parameters;
  /** Index of each factored Dense kernel among the weights. */
  readonly factoredKernels: ReadonlySet<number>;
  /** The layers with regularisers of their own. */
  readonly penalisedLayers: readonly Layer[];
  /** Called during the backward pass for each factored kernel. */
  #onFactors: (kernel: number, factors: Factors) => void = () => {};
  #dropout: DropoutDraw | undefined;
  #dropoutsApplied = 0;

  /** @param values of each weight, in the order of `model.weights` */
  constructor(
    model: tf.LayersModel,
    values: readonly ParameterValues[],
    { factoredLayers = [], dropout }: ReplicaOptions = {},
  ) {
    this.model = model;
    this.parameters = createParameters(values);
    const weights = model.weights;
    for (const [index, weight] of weights.entries()) {
      weight.dispose(); // the model's own copy of the values
      weight.read = () => this.parameters.weight(index);
    }
    for (const layer of layersOf(model)) if (layer.getClassName() === "Dropout") this.#tapDropout(layer, dropout);
    const kernels = factoredKernels(model, factoredLayers);
    for (const [kernel, layer] of kernels) this.#tapDense(layer, kernel);
    this.factoredKernels = new Set(kernels.keys());
    this.penalisedLayers = layersOf(model).filter((layer) => tf.tidy(() => layer.calculateLosses().length > 0));
  }

  /** Logits [rows, classes] in training mode. Factors are handed to `onFactors` when the backward pass comes by. */
  forward(images: tf.Tensor, dropout: DropoutDraw, onFactors: (kernel: number, factors: Factors) => void): tf.Tensor2D {
    this.#dropout = dropout;
    this.#dropoutsApplied = 0;
    this.#onFactors = onFactors;
    return this.model.apply(images, { training: true }) as tf.Tensor2D;
  }

  /** Logits [rows, classes] in evaluation mode: dropout is off. */
  predict(images: tf.Tensor): tf.Tensor2D {
    return tf.tidy(() => this.model.apply(images, { training: false }) as tf.Tensor2D);
  }

  dispose(): void {
    this.parameters.dispose();
  }

  #tapDropout(layer: Layer, givenRate: number | undefined): void {
    const rate = givenRate ?? (layer.getConfig() as { rate: number }).rate;
    layer.call = (inputs: Inputs, options: CallOptions) => {
      const x = only(inputs);
      if (options.training !== true || rate === 0 || this.#dropout === undefined) return x;
      const units = x.size / x.shape[0]!;
      const mask = dropoutMask(this.#dropout, this.#dropoutsApplied++, rate, units);
      return x.mul(tf.tensor(mask, x.shape));
    };
  }

  /**
   * y = x·W + b, where differentiation stops at W: its gradient is left as the factors x and ∂loss/∂y. The bias is
   * part of the tapped op because tfjs visits only ops on a path from what it differentiates, and b is on one.
   */
  #tapDense(layer: Layer, kernel: number): void {
    const whole = layer.call.bind(layer);
    const { activation } = layer as unknown as { activation: { apply(x: tf.Tensor): tf.Tensor } | null };
    layer.call = (inputs: Inputs, options: CallOptions) => {
      if (options.training !== true) return whole(inputs, options);
      return tf.tidy(() => {
        const weight = this.parameters.weight(kernel);
        const linear = tf.customGrad((x, bias, save) => {
          (save as tf.GradSaveFunc)([x as tf.Tensor]);
          const gradFunc = (delta: tf.Tensor, saved: tf.Tensor[]) => {
            this.#onFactors(kernel, { input: saved[0] as tf.Tensor2D, delta: delta as tf.Tensor2D });
            return [tf.matMul(delta, weight, false, true), delta.sum(0)];
          };
          return { value: tf.matMul(x as tf.Tensor, weight).add(bias as tf.Tensor), gradFunc };
        });
        const y = linear(only(inputs), layer.weights[1]!.read());
        return activation === null ? y : activation.apply(y);
      });
    };
  }
}

/** The kernels of those of the named Dense layers that have a bias: index among the weights → layer. */
export function factoredKernels(model: tf.LayersModel, names: readonly string[]): Map<number, Layer> {
  const layers = layersOf(model).filter(({ name, weights }) => names.includes(name) && weights.length > 1);
  return new Map(layers.map((layer) => [model.weights.indexOf(layer.weights[0]!), layer]));
}

/** All layers of a model, those of models inside it included. */
function layersOf(model: { layers: Layer[] }): Layer[] {
  return model.layers.flatMap((layer) =>
    "layers" in layer ? layersOf(layer as unknown as { layers: Layer[] }) : [layer],
  );
}

function only(inputs: Inputs): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0]! : inputs;
}
