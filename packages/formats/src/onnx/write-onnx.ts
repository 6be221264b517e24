/**
 * Encodes `.onnx` files: a graph and its weights as one protocol buffers message. Needs no TensorFlow.js.
 *
 * Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (the field numbers)
 */
import { LockstepError } from "@lockstep/errors";
import { byteLength, type Fields, int, message, text } from "../protobuf/write.ts";
import type { Weights } from "../weights.ts";
import { type OnnxGraph, type OnnxNode, TENSOR_TYPES } from "./onnx-graph.ts";

/** The operator set of ONNX 1.8 (2020) and the file format of that time, which every current ONNX reader supports. */
const OPERATOR_SET = 13;
const IR_VERSION = 7;

/** The largest protocol buffers message. */
const MAX_BYTES = 2 ** 31 - 1;

/** Descriptive facts that an ONNX file contains. */
export interface OnnxFacts {
  /** Version of Lockstep. */
  producerVersion: string;
  /** Descriptions of the input and the output, for people. */
  input: string;
  output: string;
  /** Descriptions for programs, by key. */
  metadata: Record<string, string>;
}

/**
 * Encodes a file as a list of chunks. The weights are not copied.
 *
 * @param weights the weights that the graph's nodes name, in the order of the file
 * @throws LockstepError ERR_ONNX_TOO_LARGE beyond 2 GB
 */
export function encodeOnnx(graph: OnnxGraph, weights: Weights, facts: OnnxFacts): Fields {
  const metadata = Object.entries(facts.metadata);
  const model = [
    ...int(1, IR_VERSION),
    ...text(2, "lockstep"),
    ...text(3, facts.producerVersion),
    ...message(7, graphProto(graph, weights, facts)),
    ...message(8, int(2, OPERATOR_SET)), // OperatorSetIdProto.version; an absent domain means ONNX's own
    ...metadata.flatMap(([key, value]) => message(14, [...text(1, key), ...text(2, value)])),
  ];
  if (byteLength(model) <= MAX_BYTES) return model;
  throw new LockstepError(
    "ERR_ONNX_TOO_LARGE",
    `Expected at most ${MAX_BYTES} bytes in an .onnx file, got ${byteLength(model)}; use --to safetensors.`,
  );
}

/** Encodes a GraphProto. */
function graphProto(graph: OnnxGraph, weights: Weights, facts: OnnxFacts): Fields {
  const [height, width, channels] = graph.inputShape;
  const constants = [...graph.constants].map(([name, values]) => {
    const data = BigInt64Array.from(values, BigInt);
    return tensorProto(name, TENSOR_TYPES.int64, [values.length], data);
  });
  const floats = [...weights].map(([name, { shape, data }]) => tensorProto(name, TENSOR_TYPES.float, shape, data));
  return [
    ...graph.nodes.flatMap((node) => message(1, nodeProto(node))),
    ...text(2, graph.name),
    ...[...constants, ...floats].flatMap((tensor) => message(5, tensor)),
    ...message(11, valueInfoProto("images", ["batch", channels, height, width], facts.input)),
    ...message(12, valueInfoProto("logits", ["batch", graph.numClasses], facts.output)),
  ];
}

/** Encodes a NodeProto. */
function nodeProto({ operator, name, inputs, attributes }: OnnxNode): Fields {
  return [
    ...inputs.flatMap((input) => text(1, input)),
    ...text(2, name),
    ...text(3, name),
    ...text(4, operator),
    ...Object.entries(attributes).flatMap(([key, value]) => message(5, attributeProto(key, value))),
  ];
}

/** Encodes an AttributeProto of the type INT (2) or INTS (7). */
function attributeProto(name: string, value: number | readonly number[]): Fields {
  if (typeof value === "number") return [...text(1, name), ...int(3, value), ...int(20, 2)];
  return [...text(1, name), ...value.flatMap((one) => int(8, one)), ...int(20, 7)];
}

/** Encodes a TensorProto. */
function tensorProto(name: string, dataType: number, shape: readonly number[], data: ArrayBufferView): Fields {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return [...shape.flatMap((length) => int(1, length)), ...int(2, dataType), ...text(8, name), ...message(9, [bytes])];
}

/** Encodes the ValueInfoProto of a float tensor. @param shape a string stands for a dimension of any length */
function valueInfoProto(name: string, shape: readonly (string | number)[], description: string): Fields {
  const dimensions = shape.map((length) => (typeof length === "number" ? int(1, length) : text(2, length)));
  const tensorShape = dimensions.flatMap((dimension) => message(1, dimension));
  const tensorType = [...int(1, TENSOR_TYPES.float), ...message(2, tensorShape)];
  return [...text(1, name), ...message(2, message(1, tensorType)), ...text(3, description)];
}
