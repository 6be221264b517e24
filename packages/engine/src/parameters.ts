/**
 * A model's weights with their velocities, and the SGD update of them: v = μ·v + g, then w = w − lr·v, as in
 * torch.optim.SGD.
 *
 * Native TensorFlow keeps both in resource variables and updates them in place with one fused op; other backends use
 * plain ops. The interface is the same.
 */
import { at } from "@lockstep/errors";
import type { MomentumStep } from "./backend/momentum-step.ts";
import { tf } from "./backend/tf.ts";
import { ResourceVariable } from "./native/resource-variable.ts";
import { assertTensorSize } from "./webgpu/tensor-limit.ts";

/** A model's weights and velocities on one backend. */
export interface Parameters {
  /** Number of tensors. */
  readonly length: number;
  /** Returns weight `index`. Do not dispose of the tensor or use it after the next `apply` to `index`. */
  weight(index: number): tf.Tensor;
  /** Returns velocity `index`, under the same rules as a weight. */
  velocity(index: number): tf.Tensor;
  /** Applies one step to weight `index` with its mean gradient, which the caller keeps. */
  apply(index: number, gradient: tf.Tensor, step: MomentumStep): void;
  dispose(): void;
}

/** One parameter tensor: values in row-major order. */
export interface ParameterValues {
  /** Name of the parameter in errors. @default its number */
  name?: string;
  shape: number[];
  weight: Float32Array;
  /** @default zeros */
  velocity?: Float32Array;
}

/**
 * Creates parameters on the current backend. The arrays are copied; the caller keeps them.
 *
 * @throws LockstepError ERR_TENSOR_SIZE if one is too large for the GPU
 */
export function createParameters(values: readonly ParameterValues[]): Parameters {
  if (tf.getBackend() === "webgpu")
    for (const [index, { name, shape }] of values.entries()) assertTensorSize(name ?? `Weight ${index}`, shape);
  return tf.getBackend() === "tensorflow" ? new FusedParameters(values) : new PlainParameters(values);
}

// tf.tensor may share the memory of its array, so it gets a copy.
const weightOf = ({ shape, weight }: ParameterValues): tf.Tensor => tf.tensor(weight.slice(), shape, "float32");
const velocityOf = ({ shape, velocity }: ParameterValues): tf.Tensor =>
  velocity === undefined ? tf.zeros(shape) : tf.tensor(velocity.slice(), shape, "float32");

/** Resource variables and `ResourceApplyMomentum`: one pass over the memory, in place. */
class FusedParameters implements Parameters {
  readonly #weights: ResourceVariable[];
  readonly #velocities: ResourceVariable[];

  constructor(values: readonly ParameterValues[]) {
    this.#weights = values.map((value) => ResourceVariable.from(weightOf(value)));
    this.#velocities = values.map((value) => ResourceVariable.from(velocityOf(value)));
  }

  get length(): number {
    return this.#weights.length;
  }

  weight(index: number): tf.Tensor {
    return at(this.#weights, index).read();
  }

  velocity(index: number): tf.Tensor {
    return at(this.#velocities, index).read();
  }

  apply(index: number, gradient: tf.Tensor, step: MomentumStep): void {
    at(this.#weights, index).applyMomentum(at(this.#velocities, index), gradient, step);
  }

  dispose(): void {
    for (const variable of [...this.#weights, ...this.#velocities]) variable.dispose();
  }
}

class PlainParameters implements Parameters {
  readonly #weights: tf.Tensor[];
  readonly #velocities: tf.Tensor[];

  constructor(values: readonly ParameterValues[]) {
    this.#weights = values.map((value) => tf.keep(weightOf(value)));
    this.#velocities = values.map((value) => tf.keep(velocityOf(value)));
  }

  get length(): number {
    return this.#weights.length;
  }

  weight(index: number): tf.Tensor {
    return at(this.#weights, index);
  }

  velocity(index: number): tf.Tensor {
    return at(this.#velocities, index);
  }

  apply(index: number, gradient: tf.Tensor, { learningRate, momentum }: MomentumStep): void {
    const oldVelocity = at(this.#velocities, index);
    const oldWeight = at(this.#weights, index);
    const velocity = tf.keep(tf.tidy(() => oldVelocity.mul(momentum).add(gradient)));
    this.#velocities[index] = velocity;
    this.#weights[index] = tf.keep(tf.tidy(() => oldWeight.sub(velocity.mul(learningRate))));
    tf.dispose([oldVelocity, oldWeight]);
  }

  dispose(): void {
    tf.dispose([...this.#weights, ...this.#velocities]);
  }
}
