/** An ONNX model as data: a graph of operators, and the tensors that it computes with. */

/** A node applies one operator of ONNX. */
export interface OnnxNode {
  operator: string;
  name: string;
  /** Names of the graph's input, of weights and constants, and of other nodes, whose only output has their name. */
  inputs: string[];
  attributes: Record<string, number | readonly number[]>;
}

/** All of an ONNX model except for the weights. Its input is "images", its output "logits". */
export interface OnnxGraph {
  name: string;
  /** [height, width, channels], which in ONNX is [batch, channels, height, width]. */
  inputShape: readonly [number, number, number];
  numClasses: number;
  nodes: OnnxNode[];
  /** Operands that are whole numbers, by name. */
  constants: Map<string, readonly number[]>;
}

/** A tensor of the file; its whole numbers (lengths of a padding) are exact as float32, too. */
export interface OnnxTensor {
  shape: number[];
  data: Float32Array;
}

/** A program computes the logits from the images: the nodes in their order, and the tensors that they name. */
export interface OnnxProgram {
  nodes: OnnxNode[];
  /** By name. */
  tensors: Map<string, OnnxTensor>;
}

/** ONNX's codes of the types that tensors of these files have: 32-bit floats and 64-bit integers. */
export const TENSOR_TYPES = { float: 1, int64: 7 } as const;

/** Returns what a file with this graph and these weights holds, as `readOnnx` would return it. */
export function programOf({ nodes, constants }: OnnxGraph, weights: ReadonlyMap<string, OnnxTensor>): OnnxProgram {
  const lists = [...constants].map(([name, values]): [string, OnnxTensor] => {
    return [name, { shape: [values.length], data: Float32Array.from(values) }];
  });
  return { nodes, tensors: new Map([...lists, ...weights]) };
}
