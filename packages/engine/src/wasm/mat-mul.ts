/** Products of transposed matrices. On WASM, only products without transposition are fast. */
import { at } from "@lockstep/errors";
import { tf } from "../backend/tf.ts";
import type { KernelCall } from "./kernel-call.ts";

/**
 * Computes op(A)·op(B) for float32 matrices of which at least one is transposed; returns undefined for other calls.
 *
 * Computes either op(A)·op(B) or (op(B)ᵀ·op(A)ᵀ)ᵀ, whichever moves fewer elements: transposing a 4096×4096 kernel takes
 * longer than multiplying a batch of 32 by it.
 */
export function matMulOfTransposed({
  inputs: { a, b },
  attrs: { transposeA, transposeB },
}: KernelCall<{ a: tf.Tensor; b: tf.Tensor }, tf.BatchMatMulAttrs>): tf.Tensor | undefined {
  if (!(transposeA || transposeB) || !isMatrix(a) || !isMatrix(b)) return undefined;

  return tf.tidy(() => {
    const left = tf.reshape<tf.Rank.R2>(a, lastTwo(a));
    const right = tf.reshape<tf.Rank.R2>(b, lastTwo(b));
    const rows = left.shape[transposeA ? 1 : 0];
    const columns = right.shape[transposeB ? 0 : 1];
    const movedDirectly = (transposeA ? a.size : 0) + (transposeB ? b.size : 0);
    const movedFlipped = (transposeA ? 0 : a.size) + (transposeB ? 0 : b.size) + rows * columns;
    const product =
      movedDirectly <= movedFlipped
        ? tf.matMul(transposeIf(transposeA, left), transposeIf(transposeB, right))
        : tf.transpose(tf.matMul(transposeIf(!transposeB, right), transposeIf(!transposeA, left)));
    const outerRank = Math.max(a.rank, b.rank) - 2;
    return tf.reshape(product, [...Array<number>(outerRank).fill(1), rows, columns]);
  });
}

const lastTwo = ({ shape }: tf.Tensor): [number, number] => [at(shape, -2), at(shape, -1)];
const isMatrix = (x: tf.Tensor): boolean => x.dtype === "float32" && x.shape.slice(0, -2).every((size) => size === 1);
const transposeIf = (wanted: boolean, x: tf.Tensor2D): tf.Tensor2D => (wanted ? tf.transpose(x) : x);
