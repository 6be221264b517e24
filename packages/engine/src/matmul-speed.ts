/** Measures how fast this machine multiplies matrices, which is most of what training does. */
import { readBack } from "./backend/read-back.ts";
import { tf } from "./backend/tf.ts";

/** Operations a second of multiplying two square matrices: the best of five, 2·size³ operations each. */
export async function matmulFlopsPerSecond(size: number): Promise<number> {
  const matrix = tf.randomUniform([size, size]);
  let bestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const startMs = performance.now();
    const corner = tf.tidy(() => tf.matMul(matrix, matrix).slice([0, 0], [1, 1]));
    await readBack(corner); // a GPU works behind our back until something is read
    corner.dispose();
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  matrix.dispose();
  return (2 * size ** 3) / (bestMs / 1000);
}
