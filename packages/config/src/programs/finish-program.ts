/** The last step of making a program: what holds for all its commands and options. */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { resolveUserPaths } from "../user-paths.ts";
import { styleHelp } from "./help-style.ts";
import { throwUsageErrors } from "./usage-errors.ts";

/**
 * Gives a program and its commands Lockstep's help and errors, and resolves the paths among their options. A variable
 * of the environment that is set to nothing counts as unset.
 */
export function finishProgram<Program extends CommandUnknownOpts>(program: Program, env = process.env): Program {
  for (const { envVar } of program.options) if (envVar !== undefined && env[envVar] === "") delete env[envVar];
  return throwUsageErrors(resolveUserPaths(styleHelp(program)));
}
