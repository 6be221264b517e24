/** How the gradients of a model travel: which tensors dense and which as factors, and where each lies in a message. */
import type { TensorSpec } from "../protocol/messages.ts";
import { BYTES_PER_ELEMENT, type Wire } from "./wire.ts";

/** How a gradient travels: as its numbers, or as the two factors whose product it is. */
export type GradientForm = "dense" | "factored";

/** What a coordinator decides about the way of the gradients, once for a run. */
export interface Plan {
  /** The form of each tensor's gradient, in the model's order. */
  forms: GradientForm[];
  wire: Wire;
  /** Bytes of a chunk's numbers, before packing. */
  chunkBytes: number;
}

/** Where the gradient of one tensor lies: in the dense part, or in two parts of its own. */
export type TensorPlace =
  | { form: "dense" /** Counted in elements of part 0. */; offset: number; elements: number; shape: number[] }
  | { form: "factored"; inputPart: number; deltaPart: number; inputs: number; outputs: number };

/**
 * A plan with the place of each number. Part 0 holds all dense tensors; parts 1 + 2k and 2 + 2k the factors of the k-th
 * factored one.
 */
export interface Layout extends Plan {
  /** Where each tensor is, in the model's order. */
  places: TensorPlace[];
  denseElements: number;
  /** How many numbers a row has in each part; undefined for the dense part, whose size does not depend on rows. */
  rowElements: (number | undefined)[];
  chunkElements: number;
}

/**
 * Lays out the gradients of a model. Dense tensors lie in the order in which a backward pass yields them, from the last
 * layer to the first, so that the first chunks are full, and leave, while the rest is still being computed.
 *
 * @param plan its factored tensors have the shape [inputs, outputs]
 */
export function makeLayout(tensors: readonly TensorSpec[], plan: Plan): Layout {
  let denseElements = 0;
  const rowElements: (number | undefined)[] = [undefined];
  const places = new Array<TensorPlace>(tensors.length);
  for (const [index, { shape }] of [...tensors.entries()].reverse()) {
    if (plan.forms[index] === "factored") {
      const [inputs, outputs] = shape as [number, number];
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

/** Returns the elements of a part in a contribution of `samples` rows; 0 for a part that there is not. */
export function partElements({ denseElements, rowElements }: Layout, part: number, samples: number): number {
  if (part === 0) return denseElements;
  return (rowElements[part] ?? 0) * samples;
}

/** Returns the bytes of an update over `rows` samples, neither packed nor with what surrounds the numbers. */
export function updateBytes(layout: Layout, rows: number): number {
  const elements = layout.rowElements.map((_, part) => partElements(layout, part, rows));
  return BYTES_PER_ELEMENT[layout.wire] * elements.reduce((total, part) => total + part, 0);
}

/** Returns where the chunks of a part of `elements` begin. */
export function chunkOffsets({ chunkElements }: Layout, elements: number): number[] {
  return Array.from({ length: Math.ceil(elements / chunkElements) }, (_, chunk) => chunk * chunkElements);
}

/** Returns the elements of the chunk at `offset` of a part of `elements`; undefined if none begins there. */
export function chunkLength({ chunkElements }: Layout, elements: number, offset: number): number | undefined {
  if (offset % chunkElements !== 0 || offset >= elements) return undefined;
  return Math.min(chunkElements, elements - offset);
}

/** Returns how many numbers a tensor of this shape has. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
