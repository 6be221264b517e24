/** Whether the program knows a command: parsed as on the command line, and not run. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { explicitRunOptions, makeConfig, tidyArguments } from "@lockstep/config";
import { coordinatorProgram, trainerProgram, workerProgram } from "@lockstep/config/programs";

const root = join(import.meta.dirname, "../../..");
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };

/**
 * @param words what stands after `pnpm`
 * @throws the reason why there is no such command, or why it does not take these options
 */
export function assertKnown([first, ...rest]: string[]): void {
  const [name, ...words] = first === "run" ? rest : [first!, ...rest];
  const script = scripts[name!];
  if (script === undefined) {
    if (name === "install" || existsSync(join(root, "node_modules/.bin", name!))) return;
    throw new Error(`package.json has no "${name}".`);
  }
  if (script.includes("apps/trainer")) parse(trainerProgram(), tidyArguments([name!, ...words]));
  else if (script.includes("apps/coordinator")) parse(coordinatorProgram(), tidyArguments([name!, ...words]).slice(1));
  else if (script.includes("apps/worker")) parse(workerProgram(), tidyArguments([name!, ...words]).slice(1));
  else assertFlagsIn(script, words);
}

/** Values of a run's options are checked as at its start. */
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

/** A command's name alone stands for the command; its options need not be there. */
function isMention({ code }: CommanderError, words: string[]): boolean {
  if (code === "commander.helpDisplayed") return true;
  return code === "commander.missingMandatoryOptionValue" && !words.some((word) => word.startsWith("--"));
}

/** Of the tools in test/src, which read their options themselves; what others take is their own affair. */
function assertFlagsIn(script: string, words: string[]): void {
  const main = /test\/src\/\S+/.exec(script)?.[0];
  if (main === undefined) return;
  const source = readFileSync(join(root, main), "utf8");
  for (const word of words.filter((one) => one.startsWith("--"))) {
    if (!source.includes(`"${word} <`)) throw new Error(`${main} takes no ${word}.`);
  }
}
