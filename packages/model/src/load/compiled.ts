/** Settings of compile() that the user's module has set. Lockstep uses none: it has its own optimizer and loss. */
import type { tf } from "@lockstep/engine";

/** "the optimizer Adam and the loss meanSquaredError"; undefined for a model that was not compiled. */
export function compiledWith(model: tf.LayersModel): string | undefined {
  const { optimizer, loss } = model as { optimizer?: tf.Optimizer; loss?: unknown };
  if (optimizer == null) return undefined;
  return `the optimizer ${optimizer.getClassName()} and the loss ${nameOf(loss)}`;
}

function nameOf(loss: unknown): string {
  if (typeof loss === "string") return loss;
  if (typeof loss === "function") return loss.name || "of a function";
  return Object.values(loss as object)
    .map(nameOf)
    .join(", ");
}
