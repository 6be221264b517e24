/**
 * A replica: the model of one worker with its own copy of the weights and their momentum.
 *
 * The layers of a `tf.LayersModel` need no rewriting. Three taps are put on them: weights are read from the replica's
 * parameters and report their gradient in the backward pass, Dense layers report the two factors of theirs, and Dropout
 * computes its mask from counters.
 */

import { createParameters, type Parameters, type ParameterValues, tf } from "@lockstep/engine";
import { at, defined } from "@lockstep/errors";
import { factorableKernels, layersOf } from "@lockstep/model";
import type { Gradient } from "./contribution.ts";
import { type DropoutDraw, dropoutMask } from "./dropout.ts";

/** Takes ownership of the gradient of weight `index`, an index into `model.weights`. */
export type OnGradient = (index: number, gradient: Gradient) => void;

type Layer = tf.layers.Layer;
type Inputs = tf.Tensor | tf.Tensor[];
type CallOptions = { training?: boolean };

/** Options of a replica. */
export interface ReplicaOptions {
  /**
   * Indexes of the kernels whose gradients are reported as factors; `factorableKernels` finds the candidates.
   * @default none
   */
  factoredKernels?: readonly number[];
  /**
   * Rate of every dropout layer.
   * @default each layer's own rate
   */
  dropout?: number | undefined;
}

/** One worker's copy of a model, with weights and momentum on the device. */
export class Replica {
  readonly model: tf.LayersModel;
  parameters: Parameters;
  /** Indexes of the factored Dense kernels among the weights. */
  #factoredKernels: ReadonlySet<number> = new Set();
  /** The layers that have regularizers. */
  readonly penalisedLayers: readonly Layer[];
  /** During a forward pass: the receiver of gradients, and the weights that were read. */
  #tap: { onGradient: OnGradient; reads: Map<number, tf.Tensor> } | undefined;
  #dropout: DropoutDraw | undefined;
  #dropoutsApplied = 0;

  /** @param values values of each weight, in the order of `model.weights` */
  constructor(
    model: tf.LayersModel,
    values: readonly ParameterValues[],
    { factoredKernels = [], dropout }: ReplicaOptions = {},
  ) {
    this.model = model;
    this.parameters = createParameters(values);
    const weights = model.weights;
    for (const [index, weight] of weights.entries()) {
      weight.dispose(); // the model's own copy of the values
      weight.read = () => this.#read(index);
    }
    const layers = layersOf(model);
    for (const layer of layers) if (layer.getClassName() === "Dropout") this.#tapDropout(layer, dropout);
    for (const kernel of factorableKernels(model)) {
      const layer = layers.find(({ weights: [first] }) => first === weights[kernel]);
      this.#tapDense(defined(layer, "the layer of a factorable kernel"), kernel);
    }
    this.factor(factoredKernels);
    this.penalisedLayers = layers.filter((layer) => tf.tidy(() => layer.calculateLosses().length > 0));
  }

  /**
   * Returns logits [rows, classes] in training mode. The backward pass, if it differentiates with respect to
   * `denseWeights`, calls `onGradient` with each gradient.
   */
  forward(images: tf.Tensor, dropout: DropoutDraw, onGradient: OnGradient): tf.Tensor2D {
    this.#dropout = dropout;
    this.#dropoutsApplied = 0;
    const reads = new Map<number, tf.Tensor>();
    this.#tap = { onGradient, reads };
    try {
      return this.model.apply(images, { training: true }) as tf.Tensor2D;
    } finally {
      this.#tap = undefined;
      tf.dispose([...reads.values()]);
    }
  }

  /** Returns the weights whose gradients are not factored. The replica keeps their ownership. */
  denseWeights(): tf.Tensor[] {
    const indexes = Array.from({ length: this.parameters.length }, (_, index) => index);
    return indexes.filter((index) => !this.#factoredKernels.has(index)).map((index) => this.parameters.weight(index));
  }

  /** Returns logits [rows, classes] in evaluation mode, with dropout off. */
  predict(images: tf.Tensor): tf.Tensor2D {
    return tf.tidy(() => this.model.apply(images, { training: false }) as tf.Tensor2D);
  }

  /** Selects the kernels of Dense layers whose gradients are reported as factors from now on. */
  factor(kernels: Iterable<number>): void {
    this.#factoredKernels = new Set(kernels);
  }

  /** Replaces the weights and momentum. */
  load(values: readonly ParameterValues[]): void {
    this.parameters.dispose();
    this.parameters = createParameters(values);
  }

  dispose(): void {
    this.parameters.dispose();
  }

  /**
   * Returns a weight for the layers. In a forward pass it goes through an identity op, whose gradient is the weight's
   * complete gradient, since all layers read the weight from there. The result is kept for the layer's next
   * application, because a layer disposes of what it reads.
   */
  #read(index: number): tf.Tensor {
    const weight = this.parameters.weight(index);
    if (this.#tap === undefined || this.#factoredKernels.has(index)) return weight;
    const { onGradient, reads } = this.#tap;
    const known = reads.get(index);
    if (known !== undefined) return known;
    const passOn = tf.customGrad((w) => ({
      value: (w as tf.Tensor).clone(),
      gradFunc: (sum: tf.Tensor) => {
        onGradient(index, { form: "dense", sum: tf.keep(sum.clone()) });
        return sum;
      },
    }));
    const read = tf.keep(passOn(weight));
    reads.set(index, read);
    return read;
  }

  #tapDropout(layer: Layer, rateOverride: number | undefined): void {
    const rate = rateOverride ?? (layer.getConfig() as { rate: number }).rate;
    layer.call = (inputs: Inputs, options: CallOptions) => {
      const x = single(inputs);
      if (options.training !== true || rate === 0 || this.#dropout === undefined) return x;
      const units = x.size / at(x.shape, 0);
      const mask = dropoutMask(this.#dropout, this.#dropoutsApplied++, rate, units);
      return x.mul(tf.tensor(mask, x.shape));
    };
  }

  /**
   * Computes y = x·W + b, where differentiation stops at W: its gradient is reported as the factors x and ∂loss/∂y. The
   * bias is part of the tapped op because tfjs visits only ops on a path from a differentiated tensor, and b is one.
   */
  #tapDense(layer: Layer, kernel: number): void {
    const stockCall = layer.call.bind(layer);
    const { activation } = layer as unknown as { activation: { apply(x: tf.Tensor): tf.Tensor } | null };
    layer.call = (inputs: Inputs, options: CallOptions) => {
      if (options.training !== true || !this.#factoredKernels.has(kernel)) return stockCall(inputs, options);
      const { onGradient } = defined(this.#tap, "a forward pass");
      return tf.tidy(() => {
        const weight = this.parameters.weight(kernel);
        const linear = tf.customGrad((x, bias, save) => {
          (save as tf.GradSaveFunc)([x as tf.Tensor]);
          const gradFunc = (delta: tf.Tensor, saved: tf.Tensor[]) => {
            const [input, own] = [at(saved, 0).clone(), delta.clone()] as [tf.Tensor2D, tf.Tensor2D];
            onGradient(kernel, { form: "factored", input: tf.keep(input), delta: tf.keep(own) });
            return [tf.matMul(delta, weight, false, true), delta.sum(0)];
          };
          return { value: tf.matMul(x as tf.Tensor, weight).add(bias as tf.Tensor), gradFunc };
        });
        const y = linear(single(inputs), at(layer.weights, 1).read());
        return activation === null ? y : activation.apply(y);
      });
    };
  }
}

function single(inputs: Inputs): tf.Tensor {
  return Array.isArray(inputs) ? at(inputs, 0) : inputs;
}
