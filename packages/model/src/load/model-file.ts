/** Reads the model that `--model` names without TensorFlow.js: a built-in model, or the export of a user's module. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { tf } from "@lockstep/engine";
import { LockstepError, messageOf } from "@lockstep/errors";
import { pathKind } from "@lockstep/files";
import { alexnet } from "../architectures/alexnet.ts";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { type ModelSpec, parseModelSpec } from "../spec/spec.ts";

/**
 * The kind of a model.
 *
 * - `known`: a built-in model, which every process has.
 * - `spec`: plain data, which can be sent.
 * - `code`: a function or a `tf.LayersModel`, which cannot be sent: each process loads its own copy.
 */
export type ModelFile = { kind: "known" } | { kind: "spec"; spec: ModelSpec } | { kind: "code" };

/** The numbers of classes and channels of a built-in model. */
export interface ModelSizes {
  numClasses: number;
  inputChannels: number;
}

/** The built-in models by name. */
export const KNOWN_MODELS = { alexnet, "alexnet-cifar10": alexnetCifar10 };

/** Returns whether a name is that of a built-in model. */
export function isKnownModel(name: string): name is keyof typeof KNOWN_MODELS {
  return Object.hasOwn(KNOWN_MODELS, name);
}

/**
 * Determines the kind of a model without building it: imports a module, but does not call its function.
 *
 * If the module itself imports TensorFlow.js, this takes as long as that import, and fails if it is not installed.
 *
 * @throws LockstepError ERR_MODEL_NAME, ERR_MODEL_MODULE or ERR_MODEL_SPEC, as `loadModel` does
 */
export async function readModelFile(nameOrPath: string): Promise<ModelFile> {
  if (isKnownModel(nameOrPath)) return { kind: "known" };
  const exported = await importModel(nameOrPath);
  if (typeof exported === "function" || isLayersModel(exported)) return { kind: "code" };
  return { kind: "spec", spec: parseModelSpec(exported, nameOrPath) };
}

/**
 * Returns the spec of a built-in model or of plain data; undefined for a model that code makes, whose layers only a
 * process with TensorFlow.js can know.
 *
 * @param name the name or path that was passed to `readModelFile`
 */
export function specOf(file: ModelFile, name: string, sizes: ModelSizes): ModelSpec | undefined {
  if (file.kind === "spec") return file.spec;
  return isKnownModel(name) ? KNOWN_MODELS[name](sizes) : undefined;
}

/**
 * Imports a module and returns the export that is its model; `loadModel` describes which one that is.
 *
 * @throws LockstepError ERR_MODEL_NAME if `path` is not a path, ERR_MODEL_MODULE
 */
export async function importModel(path: string): Promise<unknown> {
  const file = moduleFile(path);
  const module = await import(pathToFileURL(file).href).catch((cause: unknown) => {
    throw moduleError(path, `loading it failed: ${messageOf(cause)}`, cause);
  });
  const exported = module as Record<string, unknown>;
  const names = Object.keys(exported);
  const name =
    ["default", "spec", "model", "createModel"].find((name) => names.includes(name)) ??
    (names.length === 1 ? names[0] : undefined);
  if (name !== undefined) return exported[name];
  const got = names.length === 0 ? "it exports nothing" : `it exports ${names.join(", ")}`;
  throw moduleError(path, `${got}. Export a model spec, or a function that returns a model, as the default export.`);
}

/**
 * Finds out early whether a model is built in or its module exists.
 *
 * @throws LockstepError ERR_MODEL_NAME or ERR_MODEL_MODULE
 */
export function assertModelExists(nameOrPath: string): void {
  if (!isKnownModel(nameOrPath)) moduleFile(nameOrPath);
}

/** Returns the absolute path of a module that exists. */
function moduleFile(path: string): string {
  if (!/[/\\]|\.[cm]?[jt]s$/.test(path)) {
    throw new LockstepError(
      "ERR_MODEL_NAME",
      `Expected --model to be ${Object.keys(KNOWN_MODELS).join(" or ")}, or the path of a module such as ./${path}.ts, got "${path}".`,
    );
  }
  const file = resolve(path);
  const kind = pathKind(file);
  if (kind === "nothing")
    throw moduleError(path, `the file ${file} does not exist. Give its path relative to the current folder.`);
  if (kind === "folder") throw moduleError(path, "it is a folder. Give the path of the module's file.");
  if (/\?.*ts$/.test(file))
    throw moduleError(path, `the TypeScript loader does not accept ? in a path. Rename ${file}.`);
  return file;
}

/** Returns whether a value is a model, even of another copy of TensorFlow.js. */
export function isLayersModel(value: unknown): value is tf.LayersModel {
  return typeof value === "object" && value !== null && "predict" in value && "layers" in value;
}

/** Makes the error that says why a module cannot be used as a model. */
export function moduleError(path: string, reason: string, cause?: unknown): LockstepError {
  return new LockstepError("ERR_MODEL_MODULE", `Cannot use ${path} as a model: ${reason}`, { cause });
}
