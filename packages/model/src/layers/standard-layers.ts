/** Tells layers of TensorFlow.js from other classes with their names. */
import { tf } from "@lockstep/engine";
import type { Layer } from "./layers.ts";

/** TensorFlow.js' own classes by name, as they were before a user's module could register others. */
const STANDARD = new Map(
  Object.entries(tf.serialization.SerializationMap.getMap().classNameMap).map(([name, [standard]]) => [name, standard]),
);

/**
 * Returns true for a layer that has the class name of a standard one and computes something else: it is of another
 * class, or was given a `call` of its own. Whatever goes by class names (exports, dropout, gradients as factors) would
 * take it for the standard one.
 */
export function isImpostor(layer: Layer): boolean {
  const standard = STANDARD.get(layer.getClassName());
  if (standard === undefined) return false;
  return layer.constructor !== standard || layer.call !== standard.prototype["call"];
}
