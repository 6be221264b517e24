/** Distinguishes TensorFlow.js' own layers from other classes with the same names. */
import { tf } from "@lockstep/engine";
import type { Layer } from "./layers.ts";

/** TensorFlow.js' own classes by name, recorded before a user's module can register others. */
const STANDARD = new Map(
  Object.entries(tf.serialization.SerializationMap.getMap().classNameMap).map(([name, [standard]]) => [name, standard]),
);

/**
 * Returns whether a layer has the class name of a standard layer but another computation: it has another class, or a
 * replaced `call`. Code that relies on class names (exports, dropout, factored gradients) would mistake
 * it for the standard layer.
 */
export function isImpostor(layer: Layer): boolean {
  const standard = STANDARD.get(layer.getClassName());
  if (standard === undefined) return false;
  return layer.constructor !== standard || layer.call !== standard.prototype["call"];
}
