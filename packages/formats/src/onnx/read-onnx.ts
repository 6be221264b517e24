/** Reads the nodes and tensors of an `.onnx` file that `encodeOnnx` wrote. */
import { type Field, fieldsOf } from "../protobuf/read.ts";
import { type OnnxNode, type OnnxProgram, type OnnxTensor, TENSOR_TYPES } from "./onnx-graph.ts";

/**
 * Decodes the bytes of the file.
 *
 * @throws RangeError if the bytes are not a protocol buffers message, or not one that `encodeOnnx` writes
 */
export function readOnnx(bytes: Uint8Array): OnnxProgram {
  const model = new Message(bytes);
  const graph = new Message(model.bytes(7));
  return {
    nodes: graph.allBytes(1).map(readNode),
    tensors: new Map(graph.allBytes(5).map(readTensor)),
  };
}

/** Reads a NodeProto. */
function readNode(bytes: Uint8Array): OnnxNode {
  const node = new Message(bytes);
  return {
    inputs: node.allBytes(1).map(textOf),
    name: textOf(node.bytes(2)), // the name of its output, which other nodes refer to
    operator: textOf(node.bytes(4)),
    attributes: Object.fromEntries(node.allBytes(5).map(readAttribute)),
  };
}

/** Reads an AttributeProto of the type INT (2) or INTS (7). */
function readAttribute(bytes: Uint8Array): [string, number | number[]] {
  const attribute = new Message(bytes);
  const value = attribute.number(20) === 2 ? attribute.number(3) : attribute.allNumbers(8);
  return [textOf(attribute.bytes(1)), value];
}

/** Reads a TensorProto. */
function readTensor(bytes: Uint8Array): [string, OnnxTensor] {
  const tensor = new Message(bytes);
  const raw = new Uint8Array(tensor.bytes(9)).buffer; // a copy, which is aligned
  const type = tensor.number(2);
  return [textOf(tensor.bytes(8)), { shape: tensor.allNumbers(1), data: numbersOf(type, raw) }];
}

function numbersOf(type: number, raw: ArrayBuffer): Float32Array {
  const { float, int64 } = TENSOR_TYPES;
  if (type === float) return new Float32Array(raw);
  if (type === int64) return Float32Array.from(new BigInt64Array(raw), Number);
  throw new RangeError(`Expected a tensor of type ${float} or ${int64}, got ${type}.`);
}

/** The fields of one message, by number. Each method throws a RangeError if the field has another type. */
class Message {
  readonly #fields: Field[];

  constructor(bytes: Uint8Array) {
    this.#fields = [...fieldsOf(bytes)];
  }

  number(field: number): number {
    return first(field, this.allNumbers(field));
  }

  /** Returns the only field with that number: a string, an embedded message or bytes. */
  bytes(field: number): Uint8Array {
    return first(field, this.allBytes(field));
  }

  allNumbers(field: number): number[] {
    return this.#values(field).map((value) => {
      if (typeof value === "number") return value;
      throw new RangeError(`Expected numbers in field ${field}, got bytes.`);
    });
  }

  allBytes(field: number): Uint8Array[] {
    return this.#values(field).map((value) => {
      if (typeof value !== "number") return value;
      throw new RangeError(`Expected bytes in field ${field}, got a number.`);
    });
  }

  #values(field: number): Field["value"][] {
    return this.#fields.filter((one) => one.field === field).map(({ value }) => value);
  }
}

function first<T>(field: number, [value]: readonly T[]): T {
  if (value === undefined) throw new RangeError(`Expected a field ${field}, got none.`);
  return value;
}

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();
