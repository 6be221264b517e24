/** Loads the model that `--model` names: a built-in model, or a user's module. */
import { basename, extname } from "node:path";
import { tf } from "@lockstep/engine";
import { messageOf } from "@lockstep/errors";
import { generatedKind } from "../layers/layer-names.ts";
import { namedLayer } from "../layers/layers.ts";
import { signatureOf } from "../layers/signature.ts";
import { buildModel } from "../spec/build.ts";
import { type ModelSpec, parseModelSpec } from "../spec/spec.ts";
import { compiledWith } from "./compiled.ts";
import { registerFileLoader } from "./file-loader.ts";
import { importModel, isKnownModel, isLayersModel, KNOWN_MODELS, moduleError } from "./model-file.ts";
import { countRepeatedLayersOnce } from "./repeated-layers.ts";

/** Options of `loadModel`. */
export interface LoadModelOptions {
  /** Number of classes. @default the model's own number; 1000 for a module's function */
  numClasses?: number | undefined;
  /** @default 3 */
  inputChannels?: number | undefined;
  /** [height, width] of the data set's images, passed to a module's function. @default [32, 32] */
  imageSize?: readonly [number, number];
  /** A spec received over the network. It is checked, and used in place of the named model. */
  spec?: unknown;
}

/** The argument of a module's function. */
export interface ModelContext {
  /** The TensorFlow.js instance to build layers with. Layers of a second copy are refused. */
  tf: typeof tf;
  numClasses: number;
  inputChannels: number;
  /** [height, width, channels] of the data set's images. The model may take another size: images are resized. */
  inputShape: [number, number, number];
}

/** A function that a module may export to make a spec or a model. */
export type ModelFactory = (context: ModelContext) => ModelSpec | tf.LayersModel | Promise<ModelSpec | tf.LayersModel>;

/** A loaded model with its facts. */
export interface LoadedModel {
  /** Name of the model, valid in file names. */
  name: string;
  /** Absent for a user's `tf.LayersModel`. */
  spec?: ModelSpec;
  /** The model, which the caller disposes of. */
  model: tf.LayersModel;
  /** [height, width, channels] */
  inputShape: [number, number, number];
  numClasses: number;
  /** A description of the model's compile() settings, which are ignored. */
  compiled?: string;
}

/**
 * Loads "alexnet", "alexnet-cifar10", or a module by its path relative to the working directory. Uses the module's
 * default export; or else the one named spec, model or createModel; or else its only one. TypeScript modules load if
 * the program itself runs from TypeScript.
 *
 * @throws LockstepError ERR_MODEL_NAME, ERR_MODEL_MODULE, ERR_MODEL_SPEC or ERR_MODEL_REFUSED
 */
export async function loadModel(nameOrPath: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  if (options.spec !== undefined) return fromSpec(parseModelSpec(options.spec, nameOrPath));
  if (isKnownModel(nameOrPath)) return fromSpec(KNOWN_MODELS[nameOrPath](options));
  registerFileLoader(); // before the import, because the module may load weights at once
  const made = await makeModel(await importModel(nameOrPath), nameOrPath, options);
  if (!isLayersModel(made)) return fromSpec(parseModelSpec(made, nameOrPath));
  if (!(made instanceof tf.LayersModel)) {
    throw moduleError(
      nameOrPath,
      "its model was made with another copy of TensorFlow.js. Use the tf that is passed to the function.",
    );
  }
  countRepeatedLayersOnce(made);
  const isNamed = generatedKind(namedLayer(made)) === undefined;
  const name = isNamed ? made.name : basename(nameOrPath, extname(nameOrPath));
  const compiled = compiledWith(made);
  return {
    name: name.replaceAll(/[^A-Za-z0-9._-]/g, "_"),
    model: made,
    ...signatureOf(made),
    ...(compiled !== undefined && { compiled }),
  };
}

function fromSpec(spec: ModelSpec): LoadedModel {
  const model = buildModel(spec);
  return { name: spec.name, spec, model, ...signatureOf(model) };
}

async function makeModel(exported: unknown, path: string, options: LoadModelOptions): Promise<unknown> {
  if (typeof exported !== "function") return exported;
  const { numClasses = 1000, inputChannels = 3, imageSize: [height, width] = [32, 32] } = options;
  const context: ModelContext = { tf, numClasses, inputChannels, inputShape: [height, width, inputChannels] };
  try {
    return await (exported as ModelFactory)(context);
  } catch (cause) {
    throw moduleError(path, `its function failed: ${messageOf(cause)}`, cause);
  }
}
