/** The tensor specs of a run's model, on which coordinator and workers agree. */
import type { TensorSpec } from "@lockstep/gradient-sync";
import type { PreparedRun } from "@lockstep/training";

/** Returns name, shape and dtype of each weight in the model's order; shapes are TensorFlow's. */
export function tensorSpecs({ loaded, names }: Pick<PreparedRun, "loaded" | "names">): TensorSpec[] {
  const shapes = loaded.model.weights.map(({ shape }) => shape.map(Number));
  return names.map(({ name }, index) => ({ name, shape: shapes[index] ?? [], dtype: "float32" }));
}
