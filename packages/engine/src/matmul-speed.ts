/** Measures the speed of matrix products, which dominate training. */
import { readBack } from "./backend/read-back.ts";
import { tf } from "./backend/tf.ts";

/** Measures the FLOP/s of multiplying two square matrices: the best of five products of 2·size³ operations. */
export async function matmulFlopsPerSecond(size: number): Promise<number> {
  const matrix = tf.randomUniform([size, size]);
  let bestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const startMs = performance.now();
    const corner = tf.tidy(() => tf.matMul(matrix, matrix).slice([0, 0], [1, 1]));
    await readBack(corner); // a GPU works asynchronously until something is read
    corner.dispose();
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  matrix.dispose();
  return (2 * size ** 3) / (bestMs / 1000);
}
