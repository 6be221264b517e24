/** Reads an `.onnx` file that `encodeOnnx` wrote: its nodes, and the tensors that stand in it. */
import { type Field, fieldsOf } from "@lockstep/formats";
import { FLOAT, INT64 } from "./onnx-file.ts";
import type { OnnxGraph, OnnxNode } from "./onnx-graph.ts";

/** A tensor of the file; its whole numbers (lengths of a padding) are exact as float32, too. */
export interface OnnxTensor {
  shape: number[];
  data: Float32Array;
}

/** What computes the logits from the images. */
export interface OnnxProgram {
  nodes: OnnxNode[];
  /** By name. */
  tensors: Map<string, OnnxTensor>;
}

/** What a file with this graph and these weights holds. */
export function programOf({ nodes, constants }: OnnxGraph, weights: ReadonlyMap<string, OnnxTensor>): OnnxProgram {
  const lists = [...constants].map(([name, values]): [string, OnnxTensor] => {
    return [name, { shape: [values.length], data: Float32Array.from(values) }];
  });
  return { nodes, tensors: new Map([...lists, ...weights]) };
}

/** @throws RangeError for bytes that are no message of protocol buffers */
export function readOnnx(bytes: Uint8Array): OnnxProgram {
  const graph = one(fieldsOf(bytes), 7) as Uint8Array;
  const fields = [...fieldsOf(graph)];
  return {
    nodes: all(fields, 1).map((node) => readNode(node as Uint8Array)),
    tensors: new Map(all(fields, 5).map((tensor) => readTensor(tensor as Uint8Array))),
  };
}

/** NodeProto */
function readNode(bytes: Uint8Array): OnnxNode {
  const fields = [...fieldsOf(bytes)];
  return {
    inputs: all(fields, 1).map(textOf),
    name: textOf(one(fields, 2)), // of its output, by which others know it
    operator: textOf(one(fields, 4)),
    attributes: Object.fromEntries(all(fields, 5).map((attribute) => readAttribute(attribute as Uint8Array))),
  };
}

/** AttributeProto, of the type INT (2) or INTS (7) */
function readAttribute(bytes: Uint8Array): [string, number | number[]] {
  const fields = [...fieldsOf(bytes)];
  const value = one(fields, 20) === 2 ? one(fields, 3) : all(fields, 8);
  return [textOf(one(fields, 1)), value as number | number[]];
}

/** TensorProto */
function readTensor(bytes: Uint8Array): [string, OnnxTensor] {
  const fields = [...fieldsOf(bytes)];
  const raw = new Uint8Array(one(fields, 9) as Uint8Array).buffer; // a copy, so that it is aligned
  const type = one(fields, 2);
  if (type !== FLOAT && type !== INT64)
    throw new RangeError(`Expected a tensor of type ${FLOAT} or ${INT64}, found ${type}.`);
  const data = type === FLOAT ? new Float32Array(raw) : Float32Array.from(new BigInt64Array(raw), Number);
  return [textOf(one(fields, 8)), { shape: all(fields, 1) as number[], data }];
}

/** The values of all fields of a number. */
function all(fields: Iterable<Field>, number: number): Field["value"][] {
  return [...fields].filter(({ field }) => field === number).map(({ value }) => value);
}

function one(fields: Iterable<Field>, number: number): Field["value"] {
  const [value] = all(fields, number);
  if (value === undefined) throw new RangeError(`Expected a field ${number}, found none.`);
  return value;
}

const textOf = (value: Field["value"]) => Buffer.from(value as Uint8Array).toString();
