/** Loads tfjs-node-gpu with an addon from outside its package. */
import { existsSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { dirname, join } from "node:path";
import util from "node:util";
import { Unavailable } from "../backend/unavailable.ts";

const require = createRequire(import.meta.url);

/**
 * Loads tfjs-node-gpu with the addon at `addonFile`, and so registers the backend "tensorflow".
 *
 * The package asks node-pre-gyp where its addon is; while it loads, a stand-in answers. It also calls two functions
 * of `util` that Node 23 removed.
 *
 * @throws Unavailable ERR_ADDON_LOAD if the addon or a library that it needs cannot be loaded, ERR_NOEXEC if it lies where
 *   nothing may be run
 */
export function loadNative(addonFile: string): void {
  // Assigned on every Node: the ones that Node 20 and 22 still have print a deprecation warning.
  Object.assign(util, {
    isArray: Array.isArray,
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
  });
  loadAddon(addonFile);
  const locator = createRequire(require.resolve("@tensorflow/tfjs-node-gpu")).resolve("@mapbox/node-pre-gyp");
  const locatorStub = new Module(locator);
  Object.assign(locatorStub, { filename: locator, loaded: true, exports: { find: () => addonFile } });
  const saved = require.cache[locator];
  require.cache[locator] = locatorStub;
  try {
    require("@tensorflow/tfjs-node-gpu");
  } finally {
    if (saved) require.cache[locator] = saved;
    else delete require.cache[locator];
  }
}

/** Loads the addon alone, so that one that cannot be loaded fails before the package has registered anything. */
function loadAddon(addonFile: string): void {
  const quiet = join(dirname(addonFile), "quiet.node");
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2"; // errors only
  const isQuiet = Number(process.env["TF_CPP_MIN_LOG_LEVEL"]) >= 2 && existsSync(quiet);
  try {
    if (isQuiet) (require(quiet) as { quietly(callback: () => void): void }).quietly(() => require(addonFile));
    else require(addonFile);
  } catch (error) {
    throw loadError(addonFile, error as Error);
  }
}

function loadError(addonFile: string, cause: Error): Unavailable {
  // The loader's words where the kernel refuses to map a file for execution.
  const [, refusedFile] = /^(.*): failed to map segment from shared object/.exec(cause.message) ?? [];
  if (refusedFile === undefined) {
    const reason = `The TensorFlow.js addon cannot be loaded: ${cause.message}.`;
    const remedy = `Remove the folder ${dirname(addonFile)} to have it built again.`;
    return new Unavailable("ERR_ADDON_LOAD", reason, remedy, { cause });
  }
  const reason = `${refusedFile} lies on a file system from which nothing may be run (mounted with noexec).`;
  const variable = refusedFile.startsWith(dirname(addonFile)) ? "LOCKSTEP_CACHE" : "LOCKSTEP_LIBTENSORFLOW";
  return new Unavailable("ERR_NOEXEC", reason, `Name a folder elsewhere in ${variable}.`, { cause });
}
