/** Checks the drawn images, and trains a linear model on them, which learns something but not too much. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import type { Records } from "./records/records.ts";
import { openShapes } from "./shapes.ts";

function imageOf(split: "train" | "test", size: number, index: number): Uint8Array {
  const out = new Uint8Array(size * size * 3);
  openShapes(split, size, size).read(index, out);
  return out;
}

/** Means of blocks of factor × factor pixels. */
function shrink(image: Uint8Array, size: number, factor: number): number[] {
  const small = size / factor;
  const out = new Array<number>(small * small * 3).fill(0);
  for (let i = 0; i < image.length; i++) {
    const pixel = Math.floor(i / 3);
    const block = Math.floor(pixel / size / factor) * small + Math.floor((pixel % size) / factor);
    out[3 * block + (i % 3)] = defined(out[3 * block + (i % 3)]) + defined(image[i]) / factor ** 2;
  }
  return out;
}

test("an image is the same whenever it is drawn, and differs from all others", () => {
  const images = [0, 10, 20, 9_990].flatMap((index) => [imageOf("train", 32, index), imageOf("test", 32, index)]);
  expect(imageOf("train", 32, 10)).toEqual(images[2]);
  expect(new Set(images.map((image) => image.join())).size).toBe(images.length);
});

test("the ten classes are equally frequent in both splits", () => {
  for (const split of ["train", "test"] as const) {
    const records = openShapes(split, 8, 8);
    const counts = new Array<number>(records.classes.length).fill(0);
    const out = new Uint8Array(8 * 8 * 3);
    for (let index = 0; index < records.samples; index++)
      counts[records.read(index, out)] = defined(counts[records.read(index, out)]) + 1;
    expect(counts).toEqual(new Array(10).fill(records.samples / 10));
  }
});

test("an image of 224 pixels, shrunk sevenfold, is that of 32 pixels", () => {
  for (let index = 0; index < 10; index++) {
    const small = imageOf("train", 32, index);
    const large = shrink(imageOf("train", 224, index), 224, 7);
    const difference = small.reduce((sum, value, i) => sum + Math.abs(value - defined(large[i])), 0) / small.length;
    expect(difference).toBeLessThan(2); // of the 75 between the two colours; edges are smoothed in another way
  }
});

test("a disc's centre and corners have different colours, and either is the lighter one half of the time", () => {
  let lighter = 0;
  for (let index = 0; index < 1000; index += 10) {
    const image = imageOf("test", 32, index);
    const corners = [0, 31, 31 * 32, 32 * 32 - 1].map((pixel) => defined(image[3 * pixel]));
    expect(new Set(corners).size).toBe(1);
    const middle = defined(image[3 * (16 * 32 + 16)]);
    expect(Math.abs(middle - defined(corners[0]))).toBeGreaterThanOrEqual(34);
    if (middle > defined(corners[0])) lighter++;
  }
  expect(lighter).toBeGreaterThan(35);
  expect(lighter).toBeLessThan(65);
});

test("a linear model beats chance and stays below 60 %", () => {
  const accuracy = linearAccuracy({ trainSamples: 4000, testSamples: 1000, epochs: 3, learningRate: 0.01 });

  expect(accuracy).toBeGreaterThan(0.12);
  expect(accuracy).toBeLessThan(0.6);
});

/** Softmax regression on the pixels, one sample a step. Returns the accuracy on test images. */
function linearAccuracy(run: {
  trainSamples: number;
  testSamples: number;
  epochs: number;
  learningRate: number;
}): number {
  const inputs = 32 * 32 * 3;
  const weights = Array.from({ length: 10 }, () => new Float32Array(inputs));
  const pixels = new Uint8Array(inputs);
  const train = openShapes("train", 32, 32);

  function logitsOf(records: Records, index: number): { label: number; logits: number[] } {
    const label = records.read(index, pixels);
    const logits = weights.map((row) => {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += (row[i] ?? 0) * ((pixels[i] ?? 0) / 127.5 - 1);
      return sum;
    });
    return { label, logits };
  }

  for (let step = 0; step < run.epochs * run.trainSamples; step++) {
    const { label, logits } = logitsOf(train, step % run.trainSamples);
    const exps = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
    const total = exps.reduce((sum, exp) => sum + exp);
    for (const [k, row] of weights.entries()) {
      const slope = (defined(exps[k]) / total - (k === label ? 1 : 0)) * run.learningRate;
      for (let i = 0; i < inputs; i++) row[i] = (row[i] ?? 0) - slope * ((pixels[i] ?? 0) / 127.5 - 1);
    }
  }
  const test = openShapes("test", 32, 32);
  let correct = 0;
  for (let index = 0; index < run.testSamples; index++) {
    const { label, logits } = logitsOf(test, index);
    if (logits.indexOf(Math.max(...logits)) === label) correct++;
  }
  return correct / run.testSamples;
}
