/** Compares the gradient of ReLU with values worked out by hand, on the engine that this machine has. */
import { expect, onTestFinished, test } from "vitest";
import { tf } from "../backend/tf.ts";
import { startEngine } from "../choose.ts";
import { installReluGradient } from "./relu-gradient.ts";

await startEngine();
installReluGradient();

const slopes = tf.grad((x) =>
  tf
    .relu(x)
    .mul(tf.tensor1d([2, 3, 5, -7]))
    .sum(),
);
const values = () => [...slopes(tf.tensor1d([-1, 0, 0.5, 4])).dataSync()];

test("the gradient of ReLU is dy for positive inputs and 0 elsewhere, on this machine's engine", () => {
  expect(values().map((slope) => slope + 0)).toEqual([0, 0, 5, -7]);
});

test("the gradient of ReLU is the same after a change of the backend", async () => {
  const started = tf.getBackend();
  onTestFinished(async () => void (await tf.setBackend(started)));
  await tf.setBackend("cpu");
  expect(values().map((slope) => slope + 0)).toEqual([0, 0, 5, -7]);
});
