/** Checks that a command exists, by parsing it without running it. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { explicitRunOptions, makeConfig, tidyArguments } from "@lockstep/config";
import { coordinatorProgram, trainerProgram, workerProgram } from "@lockstep/config/programs";
import { defined } from "@lockstep/testing";

const root = join(import.meta.dirname, "../../../..");
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };

/**
 * Throws unless the command exists and has these options.
 *
 * @param words the words after `pnpm`
 * @throws Error with the reason
 */
export function assertKnown([first, ...rest]: string[]): void {
  const [name, ...words] = first === "run" ? rest : [defined(first), ...rest];
  const script = scripts[defined(name)];
  if (script === undefined) {
    if (name === "install" || existsSync(join(root, "node_modules/.bin", defined(name)))) return;
    throw new Error(`Expected package.json to have the script "${name}".`);
  }
  if (script.includes("apps/trainer")) parse(trainerProgram(), tidyArguments([defined(name), ...words]));
  else if (script.includes("apps/coordinator"))
    parse(coordinatorProgram(), tidyArguments([defined(name), ...words]).slice(1));
  else if (script.includes("apps/worker")) parse(workerProgram(), tidyArguments([defined(name), ...words]).slice(1));
  else assertFlagsIn(script, words);
}

/** Parses the words, and checks the values of a run's options as at its start. */
function parse(program: CommandUnknownOpts, words: string[]): void {
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
    if (command.commands.length === 0) command.action(() => assertOptionValues(command));
  }
  try {
    program.parse(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError) || !isMention(error, words)) throw error;
  }
}

function assertOptionValues(command: CommandUnknownOpts): void {
  makeConfig(explicitRunOptions(command.opts()));
}

/** A command's name alone mentions the command, so required options may be missing. */
function isMention({ code }: CommanderError, words: string[]): boolean {
  if (code === "commander.helpDisplayed") return true;
  return code === "commander.missingMandatoryOptionValue" && !words.some((word) => word.startsWith("--"));
}

/** Checks the options of the tools in test/src, which parse their options themselves. Other scripts are not checked. */
function assertFlagsIn(script: string, words: string[]): void {
  const main = /test\/src\/\S+/.exec(script)?.[0];
  if (main === undefined) return;
  const source = readFileSync(join(root, main), "utf8");
  for (const word of words.filter((one) => one.startsWith("--"))) {
    if (!source.includes(`"${word} <`)) throw new Error(`Expected ${main} to have the option ${word}.`);
  }
}
