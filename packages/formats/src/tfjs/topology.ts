/** What the files of a model for TensorFlow.js hold, except for the numbers. */
import { z } from "zod";
import { elementCount } from "../element-count.ts";

const count = z.int().nonnegative();
/** Objects and arrays inside one another; a model inside a model takes four. */
const MAX_DEPTH = 256;

const weightSchema = z
  .strictObject({
    /** TensorFlow.js' name, by which the layer finds it: "conv1/kernel". */
    name: z.string(),
    /** In TensorFlow.js' layout. */
    shape: z.array(count),
    /** Weights are trained, and travel, in this type alone. */
    dtype: z.literal("float32"),
    /** "conv1.0.weight" */
    stateDictName: z.string(),
    /** `KernelAxes`; absent where PyTorch's layout is the same. */
    axes: z.tuple([count, count, count]).optional(),
  })
  .refine(
    ({ shape, axes = shape }) => elementCount(axes) === elementCount(shape),
    "the axes are not those of the shape",
  );

/** Checks a topology that came as JSON. */
export const tfjsTopologySchema = z.strictObject({
  /** The layers and how they are connected, as `model.toJSON()` has them. */
  modelTopology: z
    .record(z.string(), z.unknown())
    .refine((topology) => isShallow(topology), `expected at most ${MAX_DEPTH} levels of nesting`),
  format: z.string(),
  generatedBy: z.string(),
  convertedBy: z.string().nullable(),
  /** In the order of weights.bin. */
  weights: z.array(weightSchema),
});

/** A topology is plain JSON: the layers, how they are connected, and which weights they have. */
export type TfjsTopology = z.infer<typeof tfjsTopologySchema>;

/** Guards whoever walks through what a peer sent against running out of stack; no model is nested so deeply. */
function isShallow(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth < MAX_DEPTH && Object.values(value).every((inner) => isShallow(inner, depth + 1));
}
