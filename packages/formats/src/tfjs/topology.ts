/** The topology of a model for TensorFlow.js: its files' content except for the weights' values. */
import { z } from "zod";
import { elementCount } from "../element-count.ts";

const count = z.int().nonnegative();
/** Deepest nesting of objects and arrays. A model inside a model takes four levels. */
const MAX_DEPTH = 256;

const weightSchema = z
  .strictObject({
    /** TensorFlow.js' name, by which the layer finds the weight: "conv1/kernel". */
    name: z.string(),
    /** In TensorFlow.js' layout. */
    shape: z.array(count),
    /** Weights are trained and sent in this type only. */
    dtype: z.literal("float32"),
    /** PyTorch's name, such as "conv1.0.weight". */
    stateDictName: z.string(),
    /** `KernelAxes`; absent if PyTorch's layout is the same. */
    axes: z.tuple([count, count, count]).optional(),
  })
  .refine(
    ({ shape, axes = shape }) => elementCount(axes) === elementCount(shape),
    "the axes are not those of the shape",
  );

/** Schema of a topology in JSON. */
export const tfjsTopologySchema = z.strictObject({
  /** The layers and their connections, as in `model.toJSON()`. */
  modelTopology: z
    .record(z.string(), z.unknown())
    .refine((topology) => isShallow(topology), `expected at most ${MAX_DEPTH} levels of nesting`),
  format: z.string(),
  generatedBy: z.string(),
  convertedBy: z.string().nullable(),
  /** In the order of weights.bin. */
  weights: z.array(weightSchema),
});

/** A topology is plain JSON: the layers, their connections, and their weights' names and shapes. */
export type TfjsTopology = z.infer<typeof tfjsTopologySchema>;

/** Returns whether a value is not nested too deeply. It protects recursive code from values that a peer sends. */
function isShallow(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth < MAX_DEPTH && Object.values(value).every((inner) => isShallow(inner, depth + 1));
}
