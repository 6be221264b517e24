/** Measures products and convolutions on the GPU in float32, in 10¹² operations per second: the best of five. */
import { matmulFlopsPerSecond, readBack, tf } from "@lockstep/engine";
import type { Settings } from "./settings.ts";

/** Figures of products and convolutions. */
export interface Throughput {
  /** Product of two square matrices of this size. */
  matmul: { size: number; teraflops: number };
  /** Second convolution of alexnet-cifar10: [images, 16, 16, 64] with 256 filters of 3 × 3. */
  convolution: { images: number; forwardTeraflops: number; backwardTeraflops: number };
}

/** Measures both. */
export async function measureThroughput({ matmulSize, convImages }: Settings): Promise<Throughput> {
  const matmul = (await matmulFlopsPerSecond(matmulSize)) / 1e12;
  const images = tf.randomUniform<tf.Rank.R4>([convImages, 16, 16, 64], -1, 1);
  const filters = tf.randomUniform<tf.Rank.R4>([3, 3, 64, 256], -1, 1);
  const delta = tf.randomUniform<tf.Rank.R4>([convImages, 16, 16, 256], -1, 1);
  const operations = 2 * convImages * 16 * 16 * 3 * 3 * 64 * 256;
  const forward = await teraflops(operations, () => [tf.conv2d(images, filters, 1, "same")]);
  const gradients = tf.grads((x, kernel) => tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same"));
  // The gradients of both arguments. The forward pass is included, though its result is not needed.
  const backward = await teraflops(3 * operations, () => gradients([images, filters], delta));
  tf.dispose([images, filters, delta]);
  return {
    matmul: { size: matmulSize, teraflops: matmul },
    convolution: { images: convImages, forwardTeraflops: forward, backwardTeraflops: backward },
  };
}

/**
 * Formats the figures as a line.
 *
 * @param peakTeraflops peak of the card in float32 without tensor cores, by its data sheet
 */
export function describeThroughput({ matmul, convolution }: Throughput, peakTeraflops?: number): string {
  const rate = (teraflops: number) => {
    const share = peakTeraflops && ` (${((100 * teraflops) / peakTeraflops).toFixed(0)} % of the card's peak)`;
    return `${teraflops.toFixed(3)} TFLOP/s${share ?? ""}`;
  };
  const { forwardTeraflops, backwardTeraflops } = convolution;
  const convolutions = `convolution: forward ${rate(forwardTeraflops)}, backward ${rate(backwardTeraflops)}`;
  return `matmul ${matmul.size}: ${rate(matmul.teraflops)}; ${convolutions}`;
}

async function teraflops(operations: number, compute: () => tf.Tensor[]): Promise<number> {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const startMs = performance.now();
    // The GPU computes asynchronously until a value is read, so one number of each result is read.
    const corner = tf.tidy(() => tf.concat(compute().map((tensor) => tensor.flatten().slice(0, 1))));
    await readBack(corner);
    corner.dispose();
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  return operations / bestMs / 1e9;
}
