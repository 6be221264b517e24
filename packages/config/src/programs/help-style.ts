/** The style of `--help`: commands as they are typed, and each fact about an option once. */
import { type CommandUnknownOpts, Help, type Option } from "@commander-js/extra-typings";

/** Styles the help of a program and its commands. */
export function styleHelp<Program extends CommandUnknownOpts>(program: Program): Program {
  program.configureHelp({ commandUsage, optionDescription });
  for (const command of program.commands) styleHelp(command);
  return program;
}

/** Returns the usage with the names in package.json: `pnpm train [options]`. pnpm itself has a command `doctor`. */
function commandUsage(command: CommandUnknownOpts): string {
  const names = namesOf(command);
  return ["pnpm", ...(names[0] === "doctor" ? ["run"] : []), ...names, command.usage()].join(" ");
}

/** Returns the names that lead to a command. The trainer's own name is not typed. */
function namesOf(command: CommandUnknownOpts): string[] {
  if (command.parent !== null) return [...namesOf(command.parent), command.name()];
  return command.commands.length > 0 ? [] : [command.name()];
}

/** Marks required options, and omits a list of choices if the description names them all. */
function optionDescription(this: Help, option: Option): string {
  const { argChoices = [], description, mandatory, defaultValue } = option;
  const isNamed = (choice: string) => new RegExp(`(?<!\\w)${choice}(?!\\w)`).test(description);
  const shown = Object.create(option, argChoices.every(isNamed) ? { argChoices: { value: undefined } } : {});
  const text = Help.prototype.optionDescription.call(this, shown);
  return mandatory && defaultValue === undefined ? `${text} (required)` : text;
}
