/**
 * A TensorFlow resource variable, driven through tfjs-node's backend. It lets TensorFlow update weights in place,
 * which tfjs's own variables cannot.
 */

import type { MomentumStep } from "../backend/momentum-step.ts";
import { tf } from "../backend/tf.ts";
import { floatType, nodeBackend, type OpAttribute } from "./node-backend.ts";

let variablesMade = 0;

/** A float32 variable that TensorFlow updates in place. */
export class ResourceVariable {
  readonly #handle: tf.Tensor;
  /** A view of the variable's buffer, from `read` to the next update. */
  #view: tf.Tensor | undefined;

  private constructor(handle: tf.Tensor) {
    this.#handle = handle;
  }

  /**
   * Creates a variable with the value of `initial`, which it disposes of. The variable holds a copy: a tensor made from
   * a JavaScript array is in memory that V8 owns, which TensorFlow must not update in place.
   */
  static from(initial: tf.Tensor): ResourceVariable {
    const copy = tf.tidy(() => initial.add(0));
    initial.dispose();
    const { binding } = nodeBackend();
    const handle = nodeBackend().executeSingleOutput(
      "VarHandleOp",
      [
        floatType("dtype"),
        { name: "shape", type: binding.TF_ATTR_SHAPE, value: copy.shape },
        { name: "container", type: binding.TF_ATTR_STRING, value: "" },
        { name: "shared_name", type: binding.TF_ATTR_STRING, value: `lockstep-${process.pid}-${variablesMade++}` },
      ],
      [],
    );
    run("AssignVariableOp", [floatType("dtype")], [handle, copy]);
    copy.dispose();
    return new ResourceVariable(tf.keep(handle));
  }

  /** Returns a tensor that shares the variable's buffer. Do not dispose of it or use it after the next update. */
  read(): tf.Tensor {
    this.#view ??= tf.keep(nodeBackend().executeSingleOutput("ReadVariableOp", [floatType("dtype")], [this.#handle]));
    return this.#view;
  }

  /** Applies one fused step: velocity = μ·velocity + gradient; this = this − lr·velocity. */
  applyMomentum(velocity: ResourceVariable, gradient: tf.Tensor, { learningRate, momentum }: MomentumStep): void {
    // TensorFlow copies a buffer that anything else holds before it writes: 67 MB for one fc layer.
    this.#dropView();
    velocity.#dropView();
    const [lr, mu] = [tf.scalar(learningRate), tf.scalar(momentum)];
    const attributes = [floatType("T"), ...["use_locking", "use_nesterov"].map(falseAttribute)];
    run("ResourceApplyMomentum", attributes, [this.#handle, velocity.#handle, lr, gradient, mu]);
    tf.dispose([lr, mu]);
  }

  dispose(): void {
    this.#dropView();
    run("DestroyResourceOp", [], [this.#handle]);
    this.#handle.dispose();
  }

  #dropView(): void {
    this.#view?.dispose();
    this.#view = undefined;
  }
}

function run(op: string, attributes: OpAttribute[], inputs: tf.Tensor[]): void {
  nodeBackend().executeMultipleOutputs(op, attributes, inputs, 0);
}

function falseAttribute(name: string): OpAttribute {
  return { name, type: nodeBackend().binding.TF_ATTR_BOOL, value: false };
}
