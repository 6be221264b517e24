/** The shape of a weight. */
import type { tf } from "@lockstep/engine";
import { defined } from "@lockstep/errors";

/** Returns the shape of a weight. TensorFlow.js types it as that of a symbol, whose sizes may be unknown. */
export function weightShape({ shape }: Pick<tf.LayerVariable, "shape">): number[] {
  return shape.map((size) => defined(size ?? undefined, "the size of a weight's axis"));
}
