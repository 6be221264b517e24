/** Loads tfjs-node-gpu with an addon from outside its package. */

import { existsSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { dirname, join } from "node:path";
import util from "node:util";
import { messageOf } from "@lockstep/errors";
import { Unavailable } from "../backend/unavailable.ts";

const require = createRequire(import.meta.url);

/**
 * Loads tfjs-node-gpu with the addon at `addonFile`, and so registers the backend "tensorflow".
 *
 * The package asks node-pre-gyp for the addon's path; while it loads, a stub returns `addonFile`. It also calls two
 * functions of `util` that Node 23 removed.
 *
 * @throws Unavailable ERR_ADDON_LOAD if the addon or one of its libraries cannot be loaded, ERR_NOEXEC if its file
 *   system is mounted with noexec
 */
export function loadNative(addonFile: string): void {
  // Assigned on every Node: those of Node 20 and 22 print a deprecation warning.
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

/** Loads the addon alone, so that a broken one fails before the package has registered anything. */
function loadAddon(addonFile: string): void {
  const quiet = join(dirname(addonFile), "quiet.node");
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2"; // errors only
  const isQuiet = Number(process.env["TF_CPP_MIN_LOG_LEVEL"]) >= 2 && existsSync(quiet);
  try {
    if (isQuiet) (require(quiet) as { quietly(callback: () => void): void }).quietly(() => require(addonFile));
    else require(addonFile);
  } catch (error) {
    throw loadError(addonFile, error);
  }
}

function loadError(addonFile: string, cause: unknown): Unavailable {
  // The dynamic loader's message when the kernel refuses to map a file for execution.
  const [, refusedFile] = /^(.*): failed to map segment from shared object/.exec(messageOf(cause)) ?? [];
  if (refusedFile === undefined) {
    const reason = `The addon of TensorFlow.js cannot be loaded: ${messageOf(cause)}.`;
    const remedy = `Remove the folder ${dirname(addonFile)} to build it again.`;
    return new Unavailable("ERR_ADDON_LOAD", reason, remedy, { cause });
  }
  const reason = `${refusedFile} is on a file system that is mounted with noexec, from which nothing can be loaded.`;
  const variable = refusedFile.startsWith(dirname(addonFile)) ? "LOCKSTEP_CACHE" : "LOCKSTEP_LIBTENSORFLOW";
  return new Unavailable("ERR_NOEXEC", reason, `Set ${variable} to a folder on another file system.`, { cause });
}
