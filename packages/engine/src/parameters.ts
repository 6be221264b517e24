/**
 * A model's weights with their momentum, and the update of stochastic gradient descent on them:
 * v = μ·v + g, then w = w − lr·v (as torch.optim.SGD does it).
 *
 * Native TensorFlow keeps both in resource variables and updates them in place with one fused op; other backends
 * use plain ops. Callers see one interface.
 */
import type { MomentumStep } from "./backend/momentum-step.ts";
import { tf } from "./backend/tf.ts";
import { ResourceVariable } from "./native/resource-variable.ts";
import { assertTensorSize } from "./webgpu/tensor-limit.ts";

/** A model's weights and their velocities, as one backend keeps them. */
export interface Parameters {
  /** Number of tensors. */
  readonly length: number;
  /** Weight `index`. The tensor is lent: never dispose of it, and do not use it after the next `apply` to `index`. */
  weight(index: number): tf.Tensor;
  /** Velocity `index`, lent like a weight. */
  velocity(index: number): tf.Tensor;
  /** Takes one step on weight `index` with its mean gradient, which stays the caller's. */
  apply(index: number, gradient: tf.Tensor, step: MomentumStep): void;
  dispose(): void;
}

/** One parameter tensor: values in row-major order. */
export interface ParameterValues {
  /** Its name in errors; absent, its number. */
  name?: string;
  shape: number[];
  weight: Float32Array;
  /** Zeros if absent. */
  velocity?: Float32Array;
}

/**
 * Puts the values on the current backend. The arrays are copied and stay the caller's.
 *
 * @throws LockstepError ERR_TENSOR_SIZE if one is larger than the GPU takes
 */
export function createParameters(values: readonly ParameterValues[]): Parameters {
  if (tf.getBackend() === "webgpu")
    for (const [index, { name, shape }] of values.entries()) assertTensorSize(name ?? `Weight ${index}`, shape);
  return tf.getBackend() === "tensorflow" ? new FusedParameters(values) : new PlainParameters(values);
}

// tf.tensor may share the memory of the array that it is given, so it is given a copy.
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
    return this.#weights[index]!.read();
  }

  velocity(index: number): tf.Tensor {
    return this.#velocities[index]!.read();
  }

  apply(index: number, gradient: tf.Tensor, step: MomentumStep): void {
    this.#weights[index]!.applyMomentum(this.#velocities[index]!, gradient, step);
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
    return this.#weights[index]!;
  }

  velocity(index: number): tf.Tensor {
    return this.#velocities[index]!;
  }

  apply(index: number, gradient: tf.Tensor, { learningRate, momentum }: MomentumStep): void {
    const oldVelocity = this.#velocities[index]!;
    const oldWeight = this.#weights[index]!;
    const velocity = tf.keep(tf.tidy(() => oldVelocity.mul(momentum).add(gradient)));
    this.#velocities[index] = velocity;
    this.#weights[index] = tf.keep(tf.tidy(() => oldWeight.sub(velocity.mul(learningRate))));
    tf.dispose([oldVelocity, oldWeight]);
  }

  dispose(): void {
    tf.dispose([...this.#weights, ...this.#velocities]);
  }
}
