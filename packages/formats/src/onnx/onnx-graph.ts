/** Describes an ONNX model as data: a graph of operators, and the tensors that it computes with. */

/** An application of one ONNX operator. */
export interface OnnxNode {
  operator: string;
  name: string;
  /** Names of the graph's input, weights, constants and other nodes. A node's only output has the node's name. */
  inputs: string[];
  attributes: Record<string, number | readonly number[]>;
}

/** An ONNX model without its weights. Its input is "images", its output "logits". */
export interface OnnxGraph {
  name: string;
  /** [height, width, channels]; the ONNX input is [batch, channels, height, width]. */
  inputShape: readonly [number, number, number];
  numClasses: number;
  nodes: OnnxNode[];
  /** Integer operands, by name. */
  constants: Map<string, readonly number[]>;
}

/** A tensor of the file. Its integers (lengths of a padding) are small enough to be exact in float32. */
export interface OnnxTensor {
  shape: number[];
  data: Float32Array;
}

/** The nodes that compute the logits from the images, in execution order, and the tensors that they name. */
export interface OnnxProgram {
  nodes: OnnxNode[];
  /** By name. */
  tensors: Map<string, OnnxTensor>;
}

/** ONNX's codes for the tensor types used here: 32-bit floats and 64-bit integers. */
export const TENSOR_TYPES = { float: 1, int64: 7 } as const;

/** Returns the program of a graph with these weights, as `readOnnx` would return it from a file. */
export function programOf({ nodes, constants }: OnnxGraph, weights: ReadonlyMap<string, OnnxTensor>): OnnxProgram {
  const lists = [...constants].map(([name, values]): [string, OnnxTensor] => {
    return [name, { shape: [values.length], data: Float32Array.from(values) }];
  });
  return { nodes, tensors: new Map([...lists, ...weights]) };
}
