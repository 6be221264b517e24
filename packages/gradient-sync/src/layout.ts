/** How the gradients of a model lie in a contribution: one dense part, and two parts for each factored tensor. */
import type { TensorSpec } from "./messages.ts";

export type GradientForm = "dense" | "factored";

export type TensorPlace =
  | { form: "dense" /** In elements of part 0. */; offset: number; elements: number; shape: number[] }
  | { form: "factored"; inputPart: number; deltaPart: number; inputs: number; outputs: number };

export interface Layout {
  /** Where each tensor is, in the model's order. */
  places: TensorPlace[];
  denseElements: number;
  /** How many numbers a row has in each part; undefined for the dense part, whose size does not depend on rows. */
  rowElements: (number | undefined)[];
}

/** @param forms of each tensor; a factored one has the shape [inputs, outputs] */
export function makeLayout(tensors: readonly TensorSpec[], forms: readonly GradientForm[]): Layout {
  let denseElements = 0;
  const rowElements: (number | undefined)[] = [undefined];
  const places = tensors.map(({ shape }, index): TensorPlace => {
    if (forms[index] === "factored") {
      const [inputs, outputs] = shape as [number, number];
      rowElements.push(inputs, outputs);
      return {
        form: "factored",
        inputPart: rowElements.length - 2,
        deltaPart: rowElements.length - 1,
        inputs,
        outputs,
      };
    }
    const elements = shape.reduce((product, length) => product * length, 1);
    const offset = denseElements;
    denseElements += elements;
    return { form: "dense", offset, elements, shape: [...shape] };
  });
  return { places, denseElements, rowElements };
}

/** Elements of a part in a contribution of `samples` rows. */
export function partElements({ denseElements, rowElements }: Layout, part: number, samples: number): number {
  const row = rowElements[part];
  return row === undefined ? denseElements : row * samples;
}
