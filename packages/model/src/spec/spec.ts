/** A model as plain JSON, from which the shape table, the `tf.LayersModel` and the state dict's names are derived. */
import { faultLines, LockstepError } from "@lockstep/errors";
import { z } from "zod";

/** Largest number of parameters of a model, which take 4 GiB. */
export const MAX_PARAMETERS = 2 ** 30;

const count = z.number().int().min(1);
const padding = z.number().int().min(0);
const activation = z.literal("relu").optional();
/** Layer names become part of tensor names, so they consist of letters, digits and _. */
const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_]*$/, "expected a name of letters, digits and _");

const layerSpecSchema = z.discriminatedUnion("type", [
  /** Square convolution: o = floor((i − kernel + 2·padding) / stride) + 1, zeros around the image. */
  z.strictObject({ type: z.literal("conv"), name, filters: count, kernel: count, stride: count, padding, activation }),
  /** Max-pooling with the sizes of a convolution. Padding is never the maximum. */
  z.strictObject({ type: z.literal("maxPool"), kernel: count, stride: count, padding: padding.optional() }),
  /**
   * Average pooling with the sizes of a convolution. The padding's zeros count in the mean, as in PyTorch's default.
   */
  z.strictObject({ type: z.literal("avgPool"), kernel: count, stride: count, padding: padding.optional() }),
  z.strictObject({ type: z.literal("flatten") }),
  z.strictObject({ type: z.literal("dense"), name, units: count, activation }),
  /** `rate` is the fraction of units that are dropped in training. */
  z.strictObject({ type: z.literal("dropout"), rate: z.number().min(0).lt(1) }),
]);

/** Schema of a spec from a module, a file or the network. */
const modelSpecSchema = z
  .strictObject({
    /** Becomes part of file names, so it consists of letters, digits, dots, dashes and _. */
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "expected letters, digits, dots, dashes and _"),
    /** [height, width, channels] */
    inputShape: z.tuple([count, count, count]),
    layers: z.array(layerSpecSchema).min(1),
  })
  .superRefine((spec, context) => {
    const names = layerNames(spec);
    const duplicate = names.find((layer, index) => names.indexOf(layer) !== index);
    if (duplicate !== undefined) context.addIssue(`two layers are named "${duplicate}"; give each a unique name`);
  });

/** A model as data. */
export type ModelSpec = z.infer<typeof modelSpecSchema>;
/** A layer of a spec: its type, and the fields of that type. */
export type LayerSpec = z.infer<typeof layerSpecSchema>;

/**
 * Returns the name of each layer: its own name, or else its kind and number: pool1, pool2, flatten, dropout1 … (a model
 * can have only one flatten).
 */
export function layerNames({ layers }: Pick<ModelSpec, "layers">): string[] {
  let pools = 0;
  let dropouts = 0;
  return layers.map((layer) => {
    if ("name" in layer) return layer.name;
    if (layer.type === "flatten") return "flatten";
    return layer.type === "dropout" ? `dropout${++dropouts}` : `pool${++pools}`;
  });
}

/**
 * Checks an unknown value and returns it as a spec.
 *
 * @param source the value's origin for the message, such as "./my-model.ts"
 * @throws LockstepError ERR_MODEL_SPEC that lists each wrong field
 */
export function parseModelSpec(value: unknown, source: string): ModelSpec {
  const parsed = modelSpecSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(
    ({ path, message }) => `${path.length > 0 ? path.join(".") : "spec"}: ${message}`,
  );
  throw new LockstepError(
    "ERR_MODEL_SPEC",
    `${source} is not a model spec:\n${faultLines(faults)}\ndocs/models.md shows the fields of a spec.`,
  );
}
