/**
 * Resolves paths on a command line and in the environment relative to the folder where the user typed the command, even
 * if pnpm has changed the working directory.
 */

import { realpathSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { at } from "@lockstep/errors";

/** Placeholders of options and arguments that take a path. */
const PATH = /^<(dir|file|path|image)(\.\.\.)?>$/;
/** Placeholder of options that take a name or a path. */
const NAME_OR_PATH = /^<name\|path>$/;

/** Variables of the environment that name folders. */
const FOLDERS = ["LOCKSTEP_CACHE", "LOCKSTEP_DATA", "LOCKSTEP_LIBTENSORFLOW", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];

/** Returns whether the value of --model is a path rather than a name. */
export const isPath = (text: string): boolean => /[/\\]|\.[cm]?[jt]s$/.test(text);

/**
 * Makes every option and argument of a program that takes a path, by its placeholder, resolve it against the folder
 * where the user typed the command. Folders in `env` become absolute too, because child processes inherit them.
 */
export function resolveUserPaths<Program extends CommandUnknownOpts>(
  program: Program,
  folder = invocationFolder(),
  env = process.env,
): Program {
  if (folder === undefined) return program;
  for (const name of FOLDERS) if (env[name]) env[name] = resolve(folder, env[name]);
  const absolutePath = (text: string) => (text === "" ? text : withTrailingSlash(text, resolve(folder, text)));
  const absoluteIfPath = (text: string) => (isPath(text) ? absolutePath(text) : text);
  const appendPath = (text: string, before: string | string[] = []) => [...[before].flat(), absolutePath(text)];
  for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])]) {
    for (const option of command.options) {
      const placeholder = at(option.flags.split(" "), -1);
      if (PATH.test(placeholder)) option.argParser<string | string[]>(option.variadic ? appendPath : absolutePath);
      else if (NAME_OR_PATH.test(placeholder)) option.argParser(absoluteIfPath);
    }
    for (const argument of command.registeredArguments) {
      if (PATH.test(`<${argument.name()}>`))
        argument.argParser<string | string[]>(argument.variadic ? appendPath : absolutePath);
    }
  }
  return program;
}

/** Keeps a trailing slash, which marks a folder. */
const withTrailingSlash = (text: string, path: string) =>
  /[/\\]$/.test(text) && !/[/\\]$/.test(path) ? `${path}/` : path;

/**
 * Returns the folder in which the user typed the command, or undefined if it is the working directory: pnpm runs the
 * scripts of package.json in the package's folder. A child process of a script inherits pnpm's variables, so the script
 * must name this process's main file.
 */
export function invocationFolder(
  env: NodeJS.ProcessEnv = process.env,
  main = process.argv[1] ?? "",
): string | undefined {
  const { INIT_CWD, npm_package_json: packageJson, npm_lifecycle_script: script = "" } = env;
  const here = process.cwd();
  if (INIT_CWD === undefined || INIT_CWD === here || packageJson === undefined) return undefined;
  const isScript = script.includes(relative(here, main).replaceAll("\\", "/"));
  return isScript && isSameFolder(dirname(packageJson), here) ? INIT_CWD : undefined;
}

function isSameFolder(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}
