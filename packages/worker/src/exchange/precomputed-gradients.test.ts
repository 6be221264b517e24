/** Checks when a gradient is computed before its commit, and when that is in vain. */
import { startEngine, tf } from "@lockstep/engine";
import { makeLayout, StepAssembly, toSubtreeId } from "@lockstep/gradient-sync";
import { beforeAll, expect, test } from "vitest";
import { PrecomputedGradients } from "./precomputed-gradients.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

/** One kernel [2, 1] with its factors in parts 1 and 2, in chunks of one element. */
const layout = makeLayout([{ name: "kernel", shape: [2, 1], dtype: "float32" }], {
  forms: ["factored"],
  wire: "fp32",
  chunkBytes: 4,
});

/** Makes the precomputed gradients of a step with two subtrees of one row each. */
function emptyStep() {
  const assembly = new StepAssembly(layout, [1, 1]);
  const arrive = (subtree: number, attempt: number, part: number, ...values: number[]) => {
    for (const [offset, value] of values.entries())
      assembly.add({ subtree: toSubtreeId(subtree), attempt, part, offset, values: Float32Array.of(value) });
  };
  return { precomputed: new PrecomputedGradients(layout, assembly), arrive };
}

test("a gradient is computed once all rows of both factors have arrived, and not before", () => {
  const { precomputed, arrive } = emptyStep();
  arrive(0, 0, 1, 1, 2);
  arrive(1, 0, 1, 3, 4);
  arrive(0, 0, 2, 10);
  expect(precomputed.computeOne()).toBe(false);
  arrive(1, 0, 2, 20);
  expect(precomputed.computeOne()).toBe(true);
  expect(precomputed.computeOne()).toBe(false);
  // (1·10 + 3·20) / 2 and (2·10 + 4·20) / 2
  expect(precomputed.pop(0, [0, 0])?.arraySync().flat()).toEqual([35, 50]);
  expect(precomputed.pop(0, [0, 0])).toBeUndefined();
});

test("a gradient of other attempts is not returned, and is disposed of", () => {
  const before = tf.memory().numTensors;
  const { precomputed, arrive } = emptyStep();
  arrive(0, 0, 1, 1, 2);
  arrive(1, 0, 1, 3, 4);
  arrive(0, 0, 2, 10);
  arrive(1, 0, 2, 20);
  precomputed.computeOne();
  expect(precomputed.pop(0, [0, 1])).toBeUndefined();
  precomputed.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
