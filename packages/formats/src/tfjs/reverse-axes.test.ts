/** Compares reversed kernels, of drawn shapes, with ones that are filled index by index. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { toTfOrder, toTorchOrder } from "./reverse-axes.ts";

const length = fc.integer({ min: 1, max: 20 });
const axes = fc.tuple(length, length, length);
const counted = (size: number) => Float32Array.from({ length: size }, (_, i) => i);

test("toTorchOrder moves element [p, i, o] to [o, i, p]", () => {
  fc.assert(
    fc.property(axes, ([positions, inputs, outputs]) => {
      const values = counted(positions * inputs * outputs);
      const expected = new Float32Array(values.length);
      for (let p = 0; p < positions; p++)
        for (let i = 0; i < inputs; i++)
          for (let o = 0; o < outputs; o++)
            expected[(o * inputs + i) * positions + p] = values[(p * inputs + i) * outputs + o] ?? Number.NaN;
      expect(toTorchOrder(values, [positions, inputs, outputs])).toEqual(expected);
    }),
  );
});

test("toTfOrder reverses toTorchOrder", () => {
  fc.assert(
    fc.property(axes, (shape) => {
      const values = counted(shape[0] * shape[1] * shape[2]);
      expect(toTfOrder(toTorchOrder(values, shape), shape)).toEqual(values);
      expect(toTorchOrder(toTfOrder(values, shape), shape)).toEqual(values);
    }),
  );
});
