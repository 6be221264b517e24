/** Turns commander's own errors into Lockstep's: an unknown option, a missing argument, a malformed value. */
import type { CommanderError, CommandUnknownOpts } from "@commander-js/extra-typings";
import { LockstepError } from "@lockstep/errors";
import { similarFlags } from "./similar-flags.ts";

/**
 * Makes a program and its commands throw a LockstepError ERR_OPTION where commander would print its message and exit.
 * `--help` still prints and exits.
 */
export function throwUsageErrors<Program extends CommandUnknownOpts>(program: Program): Program {
  const flags = program.options.flatMap(({ long }) => long ?? []);
  program.configureOutput({ outputError: () => {} }).exitOverride((error) => throwUsageError(error, flags));
  for (const command of program.commands) throwUsageErrors(command);
  return program;
}

/** @param flags the options that the command has */
function throwUsageError({ code, exitCode, message }: CommanderError, flags: readonly string[]): void {
  if (exitCode === 0 || code === "commander.help") return;
  const [first = "", ...similar] = message.replace(/^error: /, "").split("\n");
  const unknown = /^unknown option '(--[\w-]+)/.exec(first)?.[1];
  const hints = similar.length === 0 && unknown !== undefined ? didYouMean(similarFlags(unknown, flags)) : similar;
  const sentence = first.charAt(0).toUpperCase() + first.slice(1).replace(/\.?$/, ".");
  throw new LockstepError("ERR_OPTION", [sentence, ...hints, "Add --help to list the options."].join(" "));
}

/** Returns the hint in commander's words; none if nothing is similar. */
function didYouMean(flags: readonly string[]): string[] {
  if (flags.length === 0) return [];
  return [`(Did you mean ${flags.length > 1 ? "one of " : ""}${flags.join(", ")}?)`];
}
