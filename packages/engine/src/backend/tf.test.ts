/** Checks that there is one TensorFlow.js per process: a second copy would not know the engine. */
import * as byImport from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { tf } from "./tf.ts";

test("a model that imports TensorFlow.js gets the instance that trains it", () => {
  expect(byImport.Tensor).toBe(tf.Tensor);
  expect(byImport.engine()).toBe(tf.engine());
});
