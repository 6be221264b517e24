/** Turns commander's own errors into Lockstep's: an unknown option, a missing argument, a malformed value. */
import type { CommanderError, CommandUnknownOpts } from "@commander-js/extra-typings";
import { LockstepError } from "@lockstep/errors";

/**
 * Makes a program and its commands throw a LockstepError ERR_OPTION where commander would print its message and exit.
 * `--help` still prints and exits.
 */
export function throwUsageErrors<Program extends CommandUnknownOpts>(program: Program): Program {
  program.configureOutput({ outputError: () => {} }).exitOverride(throwUsageError);
  for (const command of program.commands) throwUsageErrors(command);
  return program;
}

function throwUsageError({ code, exitCode, message }: CommanderError): void {
  if (exitCode === 0 || code === "commander.help") return;
  const [first = "", ...hints] = message.replace(/^error: /, "").split("\n");
  const sentence = first.charAt(0).toUpperCase() + first.slice(1).replace(/\.?$/, ".");
  throw new LockstepError("ERR_OPTION", [sentence, ...hints, "Add --help to list the options."].join(" "));
}
