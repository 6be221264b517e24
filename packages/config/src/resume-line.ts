/** Gathers what was typed on a command line, for a line that starts the program again. */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/**
 * Returns the words that give the options which were typed, in the order of the program's own.
 *
 * @param except names of options to leave out, as in the parsed options
 */
export function explicitFlags(command: CommandUnknownOpts, except: readonly string[]): string[] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    const value: unknown = command.getOptionValue(name);
    const isOther = option.negate !== (value === false); // `--x` beside `--no-x`
    if (except.includes(name) || isOther || command.getOptionValueSource(name) !== "cli") return [];
    const flag = option.long!;
    if (typeof value === "boolean") return [flag];
    return [value].flat().flatMap((one) => [flag, String(one)]);
  });
}

/** Returns the line that goes on with the run in a folder. @param options words for what the folder does not keep */
export function resumeLine(program: string, dir: string, options: readonly string[]): string {
  return [program, ...["--resume", dir, ...options].map(shellWord)].join(" ");
}

/** Returns a word as a POSIX shell takes it. */
export function shellWord(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
