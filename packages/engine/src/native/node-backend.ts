/** The part of tfjs-node's backend that runs any TensorFlow op by name, even one without a kernel in TensorFlow.js. */
import { tf } from "../backend/tf.ts";

/** An attribute of a TensorFlow op, in the addon's form. */
export interface OpAttribute {
  name: string;
  type: number;
  value: unknown;
}

interface NodeBackend {
  readonly binding: Record<"TF_ATTR_TYPE" | "TF_ATTR_SHAPE" | "TF_ATTR_STRING" | "TF_ATTR_BOOL" | "TF_FLOAT", number>;
  executeSingleOutput(op: string, attributes: OpAttribute[], inputs: tf.Tensor[]): tf.Tensor;
  executeMultipleOutputs(op: string, attributes: OpAttribute[], inputs: tf.Tensor[], outputs: number): tf.Tensor[];
}

/** Returns the running backend, which must be tfjs-node's. */
export function nodeBackend(): NodeBackend {
  return tf.backend() as unknown as NodeBackend;
}

/** Returns the type attribute `name` with the value float32. */
export function floatType(name: string): OpAttribute {
  const { binding } = nodeBackend();
  return { name, type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
}
