/** The tensors of a run's model, as coordinator and worker agree on them. */
import type { TensorSpec } from "@lockstep/gradient-sync";
import type { PreparedRun } from "@lockstep/training";

/** Returns the name and shape of each weight, in the order of the model; shapes are those of TensorFlow. */
export function tensorSpecs({ loaded, names }: Pick<PreparedRun, "loaded" | "names">): TensorSpec[] {
  const shapes = loaded.model.weights.map(({ shape }) => shape.map(Number));
  return names.map(({ name }, index) => ({ name, shape: shapes[index] ?? [], dtype: "float32" }));
}
