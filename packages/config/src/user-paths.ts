/**
 * Paths on a command line and in the environment mean what they do in the user's shell, also where pnpm has changed the
 * folder.
 */
import { realpathSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** A placeholder of options and arguments that take paths. */
const PATH = /^<(dir|file|path|image)(\.\.\.)?>$/;
/** A placeholder of options that take a path or something that has a name. */
const NAME_OR_PATH = /^<name\|path>$/;

/** Variables of the environment that name folders. */
const FOLDERS = ["LOCKSTEP_CACHE", "LOCKSTEP_DATA", "LOCKSTEP_LIBTENSORFLOW", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];

/** Tells whether a text that stands for a model is a path, and not a name. */
export const isPath = (text: string): boolean => /[/\\]|\.[cm]?[jt]s$/.test(text);

/**
 * Lets every option and argument of a program that takes a path, by its placeholder, take it relative to the user's
 * folder. Folders in `env` become absolute, since the processes that this one starts inherit them.
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
      const placeholder = option.flags.split(" ").at(-1)!;
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

/** Keeps a slash at the end, which says that a folder is meant. */
const withTrailingSlash = (text: string, path: string) =>
  /[/\\]$/.test(text) && !/[/\\]$/.test(path) ? `${path}/` : path;

/**
 * Returns the folder in which the user typed the command, if it is another one than this process's: pnpm runs the
 * scripts of package.json in its folder. A process that such a script starts inherits the variables, but is not meant:
 * it is not what the script says.
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
