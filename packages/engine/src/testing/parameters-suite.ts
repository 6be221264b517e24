/** The conformance tests of `Parameters`, for every backend. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readBack } from "../backend/read-back.ts";
import { tf } from "../backend/tf.ts";
import { createParameters, type Parameters } from "../parameters.ts";

const step = { learningRate: 0.1, momentum: 0.9 };

async function applyOnce(parameters: Parameters, index: number, gradient: number[]): Promise<void> {
  const tensor = tf.tensor1d(gradient);
  parameters.apply(index, tensor, step);
  tensor.dispose();
}

/**
 * Defines the tests of `Parameters` on a backend.
 *
 * @param problem the reason why the backend is missing, which skips the tests
 */
export function describeParameters(backend: string, problem?: string): void {
  const isMissing = problem !== undefined;
  describe(`parameters on ${backend}${isMissing ? ` (skipped: ${problem})` : ""}`, () => {
    beforeAll(async () => void (isMissing || (await tf.setBackend(backend))));
    afterAll(() => expect(isMissing ? 0 : tf.memory().numTensors).toBe(0));

    test.skipIf(isMissing)("two steps give v = μv + g and w = w − lr·v, worked by hand", assertTwoSteps);
    test.skipIf(isMissing)(
      "an initial velocity takes part in the update, and the arrays of initial values do not change",
      assertInitialVelocity,
    );
    test.skipIf(isMissing)("each tensor is updated by itself, and no tensor leaks", assertTensorsApart);
  });
}

async function assertTwoSteps(): Promise<void> {
  const parameters = createParameters([{ shape: [2], weight: Float32Array.of(1, -2) }]);
  await applyOnce(parameters, 0, [1, 10]);
  // v = (1, 10); w = (1, −2) − 0.1·v = (0.9, −3)
  expect(await readBack(parameters.velocity(0))).toEqual(Float32Array.of(1, 10));
  expect(await readBack(parameters.weight(0))).toEqual(Float32Array.of(0.9, -3));
  await applyOnce(parameters, 0, [2, 0]);
  // v = 0.9·(1, 10) + (2, 0) = (2.9, 9); w = (0.9, −3) − 0.1·v = (0.61, −3.9)
  const weights = await readBack(parameters.weight(0));
  expect(weights[0]).toBeCloseTo(0.61, 6);
  expect(weights[1]).toBeCloseTo(-3.9, 6);
  parameters.dispose();
}

async function assertInitialVelocity(): Promise<void> {
  const weight = Float32Array.of(1, 1, 1, 1);
  const velocity = Float32Array.of(10, 10, 10, 10);
  const parameters = createParameters([{ shape: [4], weight, velocity }]);
  await applyOnce(parameters, 0, [0, 0, 0, 0]);
  expect(await readBack(parameters.velocity(0))).toEqual(Float32Array.of(9, 9, 9, 9));
  expect([...(await readBack(parameters.weight(0)))].map((value) => value.toFixed(5))).toEqual(
    Array(4).fill((1 - 0.9).toFixed(5)),
  );
  expect(weight).toEqual(Float32Array.of(1, 1, 1, 1));
  expect(velocity).toEqual(Float32Array.of(10, 10, 10, 10));
  parameters.dispose();
}

async function assertTensorsApart(): Promise<void> {
  const parameters = createParameters([
    { shape: [2, 2], weight: Float32Array.of(1, 2, 3, 4) },
    { shape: [1], weight: Float32Array.of(5) },
  ]);
  expect(parameters.length).toBe(2);
  await applyOnce(parameters, 1, [1]);
  expect(parameters.weight(0).shape).toEqual([2, 2]);
  expect(await readBack(parameters.weight(0))).toEqual(Float32Array.of(1, 2, 3, 4));
  expect(await readBack(parameters.weight(1))).toEqual(Float32Array.of(4.9));
  const before = tf.memory().numTensors;
  for (let i = 0; i < 20; i++) {
    await applyOnce(parameters, 1, [0]);
    await readBack(parameters.weight(1));
  }
  expect(tf.memory().numTensors).toBe(before);
  parameters.dispose();
}
