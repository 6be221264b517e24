/** Builds the command that resumes a run with the same flags. */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { defined } from "@lockstep/errors";

/**
 * Returns the flags and values that were set on the command line, in the order in which the program defines them.
 *
 * @param except names of options to leave out, as in the parsed options
 */
export function explicitFlags(command: CommandUnknownOpts, except: readonly string[]): string[] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    const value: unknown = command.getOptionValue(name);
    const isOther = option.negate !== (value === false); // `--x` beside `--no-x`
    if (except.includes(name) || isOther || command.getOptionValueSource(name) !== "cli") return [];
    const flag = defined(option.long, "a long flag");
    if (typeof value === "boolean") return [flag];
    return [value].flat().flatMap((one) => [flag, String(one)]);
  });
}

/** Returns the command that resumes the run in a folder. @param options flags that the folder does not save */
export function resumeLine(program: string, dir: string, options: readonly string[]): string {
  return [program, ...["--resume", dir, ...options].map(shellWord)].join(" ");
}

/** Returns a word quoted for a POSIX shell. */
export function shellWord(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
