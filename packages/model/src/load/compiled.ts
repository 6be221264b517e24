/** Describes a model's compile() settings. Lockstep ignores them: it has its own optimizer and loss. */
import type { tf } from "@lockstep/engine";

/** Returns "the optimizer Adam and the loss meanSquaredError", for example; undefined if the model was not compiled. */
export function compiledWith(model: tf.LayersModel): string | undefined {
  const { optimizer, loss } = model as { optimizer?: tf.Optimizer; loss?: unknown };
  if (optimizer == null) return undefined;
  return `the optimizer ${optimizer.getClassName()} and the loss ${nameOf(loss)}`;
}

function nameOf(loss: unknown): string {
  if (typeof loss === "string") return loss;
  if (typeof loss === "function") return loss.name || "(an unnamed function)";
  return Object.values(loss as object)
    .map(nameOf)
    .join(", ");
}
