/** A model as data: plain JSON from which the shape table, the `tf.LayersModel` and the state dict's names follow. */
import { faultLines, LockstepError } from "@lockstep/errors";
import { z } from "zod";

/** Numbers in a model: 4 GiB of weights. */
export const MAX_PARAMETERS = 2 ** 30;

const count = z.number().int().min(1);
const padding = z.number().int().min(0);
const activation = z.literal("relu").optional();
/** Letters, digits and _, because layer names become part of tensor names. */
const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_]*$/, "expected a name of letters, digits and _");

const layerSpecSchema = z.discriminatedUnion("type", [
  /** Square convolution: o = floor((i − kernel + 2·padding) / stride) + 1, zeros around the image. */
  z.strictObject({ type: z.literal("conv"), name, filters: count, kernel: count, stride: count, padding, activation }),
  /** Sizes as in a convolution; what lies outside the image is never the maximum. */
  z.strictObject({ type: z.literal("maxPool"), kernel: count, stride: count, padding: padding.optional() }),
  /** Sizes as in a convolution; the zeros outside the image count in the mean, as PyTorch's default has it. */
  z.strictObject({ type: z.literal("avgPool"), kernel: count, stride: count, padding: padding.optional() }),
  z.strictObject({ type: z.literal("flatten") }),
  z.strictObject({ type: z.literal("dense"), name, units: count, activation }),
  /** `rate`: the share of units that is switched off in training. */
  z.strictObject({ type: z.literal("dropout"), rate: z.number().min(0).lt(1) }),
]);

/** The schema checks a spec that comes from a module, a file or the network. */
export const modelSpecSchema = z
  .strictObject({
    /** Names files, so: letters, digits, dot, dash and _. */
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "expected letters, digits, dots, dashes and _"),
    /** [height, width, channels] */
    inputShape: z.tuple([count, count, count]),
    layers: z.array(layerSpecSchema).min(1),
  })
  .superRefine((spec, context) => {
    const names = layerNames(spec);
    const twice = names.find((layer, index) => names.indexOf(layer) !== index);
    if (twice !== undefined) context.addIssue(`two layers are named "${twice}"; give each a name of its own`);
  });

/** A spec describes a model as data. */
export type ModelSpec = z.infer<typeof modelSpecSchema>;
/** A layer of a spec has a type, and the fields of that type. */
export type LayerSpec = z.infer<typeof layerSpecSchema>;

/**
 * The name of each layer: its own, else what it is and which one of its kind: pool1, pool2, flatten, dropout1 …
 * (a model can only have one flatten).
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
 * A checked spec from something unknown.
 *
 * @param source where it comes from, for the message: "./my-model.ts"
 * @throws LockstepError ERR_MODEL_SPEC that lists each field that is wrong
 */
export function parseModelSpec(value: unknown, source: string): ModelSpec {
  const parsed = modelSpecSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(
    ({ path, message }) => `${path.length > 0 ? path.join(".") : "spec"}: ${message}`,
  );
  throw new LockstepError(
    "ERR_MODEL_SPEC",
    `${source} is no model spec:\n${faultLines(faults)}\ndocs/models.md shows the fields of a spec.`,
  );
}
