/**
 * A replica: the model of one worker with its own copy of the weights and their momentum.
 *
 * The layers of a `tf.LayersModel` need no rewriting. Three taps are put on them: weights are read from the
 * replica's parameters, and hand out their gradient when the backward pass comes by; Dense layers hand out the two
 * factors of theirs; Dropout takes its mask from counters.
 */
import { createParameters, type Parameters, type ParameterValues, tf } from "@lockstep/engine";
import { factorableKernels, layersOf } from "@lockstep/model";
import type { Gradient } from "./contribution.ts";
import { type DropoutDraw, dropoutMask } from "./dropout.ts";

/** Takes over the gradient of weight `index`, in the order of `model.weights`. */
export type OnGradient = (index: number, gradient: Gradient) => void;

type Layer = tf.layers.Layer;
type Inputs = tf.Tensor | tf.Tensor[];
type CallOptions = { training?: boolean };

/** Options of a replica. */
export interface ReplicaOptions {
  /**
   * Indexes of the kernels whose gradients are taken as factors, among those that `factorableKernels` finds.
   * @default none
   */
  factoredKernels?: readonly number[];
  /**
   * The rate of every dropout layer, instead of their own.
   * @default each layer's own
   */
  dropout?: number | undefined;
}

/** A model whose weights lie on the device, with their momentum; one worker's copy of them. */
export class Replica {
  readonly model: tf.LayersModel;
  parameters: Parameters;
  /** Index of each factored Dense kernel among the weights. */
  #factoredKernels: ReadonlySet<number> = new Set();
  /** The layers with regularisers of their own. */
  readonly penalisedLayers: readonly Layer[];
  /** Where gradients go, and the weights that were read, while a forward pass is under way. */
  #tap: { onGradient: OnGradient; reads: Map<number, tf.Tensor> } | undefined;
  #dropout: DropoutDraw | undefined;
  #dropoutsApplied = 0;

  /** @param values of each weight, in the order of `model.weights` */
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
      this.#tapDense(layers.find((layer) => layer.weights[0] === weights[kernel])!, kernel);
    }
    this.factor(factoredKernels);
    this.penalisedLayers = layers.filter((layer) => tf.tidy(() => layer.calculateLosses().length > 0));
  }

  /**
   * Logits [rows, classes] in training mode. When the backward pass comes by, it hands each gradient to `onGradient`.
   * It comes by if the logits are differentiated with respect to `denseWeights`.
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

  /** The weights whose gradients are not taken as factors, lent. */
  denseWeights(): tf.Tensor[] {
    const indexes = Array.from({ length: this.parameters.length }, (_, index) => index);
    return indexes.filter((index) => !this.#factoredKernels.has(index)).map((index) => this.parameters.weight(index));
  }

  /** Logits [rows, classes] in evaluation mode: dropout is off. */
  predict(images: tf.Tensor): tf.Tensor2D {
    return tf.tidy(() => this.model.apply(images, { training: false }) as tf.Tensor2D);
  }

  /** From now on the gradients of these kernels of Dense layers are taken as factors, and no others. */
  factor(kernels: Iterable<number>): void {
    this.#factoredKernels = new Set(kernels);
  }

  /** Takes other weights and momentum instead of those that it has. */
  load(values: readonly ParameterValues[]): void {
    this.parameters.dispose();
    this.parameters = createParameters(values);
  }

  dispose(): void {
    this.parameters.dispose();
  }

  /**
   * A weight, for the layers. In a forward pass it goes through an op that changes nothing, whose gradient is the
   * weight's: complete, since all who read the weight read it from there. What was read is kept for the layer's next
   * application, because a layer tidies up what it reads.
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
    const stockCall = layer.call.bind(layer);
    const { activation } = layer as unknown as { activation: { apply(x: tf.Tensor): tf.Tensor } | null };
    layer.call = (inputs: Inputs, options: CallOptions) => {
      if (options.training !== true || !this.#factoredKernels.has(kernel)) return stockCall(inputs, options);
      const { onGradient } = this.#tap!;
      return tf.tidy(() => {
        const weight = this.parameters.weight(kernel);
        const linear = tf.customGrad((x, bias, save) => {
          (save as tf.GradSaveFunc)([x as tf.Tensor]);
          const gradFunc = (delta: tf.Tensor, saved: tf.Tensor[]) => {
            const [input, own] = [saved[0]!.clone(), delta.clone()] as [tf.Tensor2D, tf.Tensor2D];
            onGradient(kernel, { form: "factored", input: tf.keep(input), delta: tf.keep(own) });
            return [tf.matMul(delta, weight, false, true), delta.sum(0)];
          };
          return { value: tf.matMul(x as tf.Tensor, weight).add(bias as tf.Tensor), gradFunc };
        });
        const y = linear(single(inputs), layer.weights[1]!.read());
        return activation === null ? y : activation.apply(y);
      });
    };
  }
}

function single(inputs: Inputs): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0]! : inputs;
}
