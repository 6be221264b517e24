/** Compares draws with TensorFlow.js' own by their statistics, and with the bits of this version. */
import { createHash } from "node:crypto";
import { tf } from "@lockstep/engine";
import { elementCount } from "@lockstep/formats";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { floatsOf } from "../testing/tensors.ts";
import { drawAs } from "./random-initializers.ts";
import type { Initializer } from "./weight-sources.ts";

beforeAll(() => tf.setBackend("cpu"));

const at = { seed: 3, place: [0, 0, 0] } as const;
const SHAPE = [3, 3, 40, 60];

const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: Float32Array) => Math.sqrt(mean(values.map((value) => value ** 2)) - mean(values) ** 2);
const largest = (values: Float32Array) => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);

function drawn(initializer: unknown, shape: readonly number[] = SHAPE): Float32Array {
  return defined(drawAs(initializer as Initializer, shape, at));
}

const { initializers } = tf;
test.each([
  ["randomUniform", initializers.randomUniform({ minval: -0.2, maxval: 0.5 })],
  ["randomNormal", initializers.randomNormal({ mean: 1, stddev: 0.3 })],
  ["truncatedNormal", initializers.truncatedNormal({ mean: -1, stddev: 0.3 })],
  ["glorotUniform", initializers.glorotUniform({})],
  ["glorotNormal", initializers.glorotNormal({})],
  ["heUniform", initializers.heUniform({})],
  ["heNormal", initializers.heNormal({})],
  ["leCunUniform", initializers.leCunUniform({})],
  ["leCunNormal", initializers.leCunNormal({})],
  ["varianceScaling", initializers.varianceScaling({ scale: 3, mode: "fanOut", distribution: "uniform" })],
])("%s has the mean, deviation and range of TensorFlow.js' own", (_, initializer) => {
  const ours = drawn(initializer);
  const theirs = floatsOf(initializer.apply(SHAPE));
  expect(ours).toHaveLength(theirs.length);
  const spread = deviation(theirs);
  expect(Math.abs(mean(ours) - mean(theirs)) / spread).toBeLessThan(0.03);
  expect(Math.abs(deviation(ours) / spread - 1)).toBeLessThan(0.03);
  expect(Math.abs(largest(ours) / largest(theirs) - 1)).toBeLessThan(0.3);
});

test("truncatedNormal draws no value more than two deviations from the mean", () => {
  expect(largest(drawn(initializers.truncatedNormal({ stddev: 1 })))).toBeLessThanOrEqual(2);
});

test.each([[[12, 5]], [[5, 12]], [[2, 3, 7]]])(
  "orthogonal draws rows or columns of %j that are orthonormal, times gain",
  (shape) => {
    const columns = defined(shape.at(-1));
    const matrix = tf.tensor2d(drawn(initializers.orthogonal({ gain: 2 }), shape), [
      elementCount(shape) / columns,
      columns,
    ]);
    const isTall = matrix.shape[0] >= columns;
    const gram = tf.matMul(matrix, matrix, isTall, !isTall);
    const expected = tf.eye(Math.min(matrix.shape[0], columns)).mul(4);
    expect(gram.sub(expected).abs().max().dataSync()[0]).toBeLessThan(1e-5);
  },
);

test("an initialiser's own seed takes precedence over the run's", () => {
  const seeded = initializers.randomNormal({ seed: 7 }) as unknown as Initializer;
  const [here, there] = [1, 2].map((seed) => drawAs(seeded, [4], { seed, place: [seed, 0, 0] }));
  expect(here).toEqual(there);
  expect(drawn(initializers.randomNormal({ seed: 8 }), [4])).not.toEqual(here);
});

test("each kind of initialiser draws the bits that this ARITHMETIC_VERSION stands for", () => {
  const hash = createHash("sha256");
  const kinds = [
    initializers.randomUniform({}),
    initializers.randomNormal({ seed: 1 }),
    initializers.truncatedNormal({}),
    initializers.glorotUniform({}),
    initializers.heNormal({}),
    initializers.orthogonal({}),
  ];
  for (const kind of kinds) hash.update(new Uint8Array(drawn(kind, [3, 4, 5]).buffer));
  expect(hash.digest("hex")).toBe("ac73db53afa1918b3b3915cc3ca7a23dbea55588f008a681dfc9550c59e74045");
});

test("drawAs returns undefined for an initialiser that is not random", () => {
  expect(drawAs(initializers.ones() as unknown as Initializer, [4], at)).toBeUndefined();
});
