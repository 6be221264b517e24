/** Lays out the gradients of a model for the wire: the form of each tensor's gradient and its place in the parts. */
import { at } from "@lockstep/errors";
import type { TensorSpec } from "../protocol/messages.ts";
import { BYTES_PER_ELEMENT, type Wire } from "./wire.ts";

/** The form of a gradient on the wire: its elements, or the two factors whose product it is. */
export type GradientForm = "dense" | "factored";

/** A coordinator's decisions about the exchange of gradients, fixed for a run. */
export interface Plan {
  /** The form of each tensor's gradient, in the model's order. */
  forms: GradientForm[];
  wire: Wire;
  /** Bytes of the numbers in a chunk, before packing. */
  chunkBytes: number;
}

/** The place of one tensor's gradient: a range of the dense part, or two separate parts for its factors. */
export type TensorPlace =
  | { form: "dense" /** In elements of part 0. */; offset: number; elements: number; shape: number[] }
  | { form: "factored"; inputPart: number; deltaPart: number; inputs: number; outputs: number };

/**
 * A plan with the place of each gradient. Part 0 contains all dense tensors; parts 1 + 2k and 2 + 2k contain the
 * factors of the k-th factored tensor.
 */
export interface Layout extends Plan {
  /** The place of each tensor, in the model's order. */
  places: TensorPlace[];
  denseElements: number;
  /** Elements per row of each part; undefined for the dense part, whose size does not depend on the rows. */
  rowElements: (number | undefined)[];
  chunkElements: number;
}

/**
 * Lays out the gradients of a model. Dense tensors are in the order of backpropagation, from the last layer to the
 * first, so that the first chunks can be sent while the rest is still being computed.
 *
 * @param plan factored tensors must have the shape [inputs, outputs]
 */
export function makeLayout(tensors: readonly TensorSpec[], plan: Plan): Layout {
  let denseElements = 0;
  const rowElements: (number | undefined)[] = [undefined];
  const places = new Array<TensorPlace>(tensors.length);
  for (const [index, { shape }] of [...tensors.entries()].reverse()) {
    if (plan.forms[index] === "factored") {
      const [inputs, outputs] = [at(shape, 0), at(shape, 1)];
      rowElements.push(inputs, outputs);
      const deltaPart = rowElements.length - 1;
      places[index] = { form: "factored", inputPart: deltaPart - 1, deltaPart, inputs, outputs };
    } else {
      const elements = elementsOf(shape);
      places[index] = { form: "dense", offset: denseElements, elements, shape: [...shape] };
      denseElements += elements;
    }
  }
  const chunkElements = Math.max(1, Math.floor(plan.chunkBytes / BYTES_PER_ELEMENT[plan.wire]));
  return { ...plan, places, denseElements, rowElements, chunkElements };
}

/** Returns the number of elements of a part in a contribution of `samples` rows; 0 if the part does not exist. */
export function partElements({ denseElements, rowElements }: Layout, part: number, samples: number): number {
  if (part === 0) return denseElements;
  return (rowElements[part] ?? 0) * samples;
}

/** Returns the bytes of an update over `rows` samples, before packing and without message headers. */
export function updateBytes(layout: Layout, rows: number): number {
  const elements = layout.rowElements.map((_, part) => partElements(layout, part, rows));
  return BYTES_PER_ELEMENT[layout.wire] * elements.reduce((total, part) => total + part, 0);
}

/** Returns the offsets of the chunks of a part with `elements` elements. */
export function chunkOffsets({ chunkElements }: Layout, elements: number): number[] {
  return Array.from({ length: Math.ceil(elements / chunkElements) }, (_, chunk) => chunk * chunkElements);
}

/**
 * Returns the length of the chunk at `offset` of a part with `elements` elements; undefined if no chunk starts there.
 */
export function chunkLength({ chunkElements }: Layout, elements: number, offset: number): number | undefined {
  if (offset % chunkElements !== 0 || offset >= elements) return undefined;
  return Math.min(chunkElements, elements - offset);
}

/** Returns the number of elements of a tensor with this shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
