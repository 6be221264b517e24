import { startEngine, tf } from "@lockstep/engine";
import { makeLayout, StepAssembly, toSliceId } from "@lockstep/gradient-sync";
import { beforeAll, expect, test } from "vitest";
import { PrecomputedGradients } from "./precomputed-gradients.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

/** One kernel [2, 1], whose factors are parts 1 and 2; two slices of a row each, in chunks of a number. */
const layout = makeLayout([{ name: "kernel", shape: [2, 1], dtype: "float32" }], {
  ...{ forms: ["factored"], wire: "fp32", chunkBytes: 4 },
});

function waiting() {
  const assembly = new StepAssembly(layout, [1, 1]);
  const comes = (slice: number, attempt: number, part: number, ...values: number[]) => {
    for (const [offset, value] of values.entries())
      assembly.add({ slice: toSliceId(slice), attempt, part, offset, values: Float32Array.of(value) });
  };
  return { precomputed: new PrecomputedGradients(layout, assembly), comes };
}

test("a gradient is computed once all rows of both factors are there, and no sooner", () => {
  const { precomputed, comes } = waiting();
  comes(0, 0, 1, 1, 2);
  comes(1, 0, 1, 3, 4);
  comes(0, 0, 2, 10);
  expect(precomputed.computeOne()).toBe(false);
  comes(1, 0, 2, 20);
  expect(precomputed.computeOne()).toBe(true);
  expect(precomputed.computeOne()).toBe(false);
  // (1·10 + 3·20) / 2 and (2·10 + 4·20) / 2
  expect([...precomputed.pop(0, [0, 0])!.dataSync()]).toEqual([35, 50]);
  expect(precomputed.pop(0, [0, 0])).toBeUndefined();
});

test("it does not count for other attempts than it was made of, and is let go", () => {
  const before = tf.memory().numTensors;
  const { precomputed, comes } = waiting();
  comes(0, 0, 1, 1, 2);
  comes(1, 0, 1, 3, 4);
  comes(0, 0, 2, 10);
  comes(1, 0, 2, 20);
  precomputed.computeOne();
  expect(precomputed.pop(0, [0, 1])).toBeUndefined();
  precomputed.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
