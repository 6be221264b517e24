/** Generates docs/configuration.md from the definitions of the options. */

import { Command, type CommandUnknownOpts, type Option } from "@commander-js/extra-typings";
import {
  addMachineOptions,
  addRunOptions,
  addScalingOptions,
  portNumber,
  positiveNumber,
  runOptions,
  severalWorkers,
  wholeNumber,
} from "@lockstep/config";
import { coordinatorProgram, trainerProgram, workerProgram } from "@lockstep/config/programs";
import { defined } from "@lockstep/testing";

const HEAD = `# Configuration

This page lists every option of every command. The word in \`<…>\` is the unit or names the value: \`<ms>\` stands for
milliseconds, \`<samples>\` for images. \`--batch_size 64\` and \`--batch-size=64\` mean the same as \`--batch-size 64\`. The
file \`config.json\` in a run's folder holds the options that the run was started with. Relative paths start from the
folder in which you type the command, even with pnpm's \`--dir\` or in a folder inside the repository.

This page is generated from the definitions in [options.ts](../packages/config/src/options.ts) and those of the programs
[trainer](../packages/config/src/programs/trainer.ts), [coordinator](../packages/config/src/programs/coordinator.ts) and
[worker](../packages/config/src/programs/worker.ts). A test keeps it current;
\`pnpm vitest run test/src/configuration-page -u\` generates it again.
`;

const ENVIRONMENT: [name: string, meaning: string][] = [
  ["LOCKSTEP_TOKEN", "the token for `coordinator` and `worker`, instead of `--token`; [security.md](security.md)"],
  ["LOCKSTEP_CONTROL_TOKEN", "the token that a page needs to control a run (default: a new random one)"],
  ["LOCKSTEP_COORDINATOR", "the default of `--coordinator` of `worker`"],
  ["LOCKSTEP_CACHE", "the folder for TensorFlow and other files built on this machine (default: `~/.cache/lockstep`)"],
  ["LOCKSTEP_DATA", "the folder for downloaded data sets (default: `~/.cache/lockstep/data`)"],
  ["LOCKSTEP_CIFAR10_URL", "the URL from which CIFAR-10 is downloaded (default: its official site)"],
  [
    "HTTPS_PROXY",
    "the proxy for https downloads and for a worker's wss connection, as `http://host:port`, with `user:password@` if it " +
      "requires them; fingerprints are checked through the proxy, too",
  ],
  ["HTTP_PROXY", "the same for http and ws"],
  [
    "NO_PROXY",
    "hosts to reach without a proxy: names, domains, addresses, and networks such as `10.0.0.0/8`, separated by commas, " +
      "each with or without a port; or `*` for all. Loopback never uses a proxy",
  ],
  [
    "TSX_DISABLE_CACHE",
    "set it to `1` if the folder for temporary files (`TMPDIR`) is not writable; otherwise tsx, which loads TypeScript, " +
      "fails to write its cache there",
  ],
  ["LOCKSTEP_LIBTENSORFLOW", "the folder of an installed TensorFlow to use instead of a downloaded one"],
  ["LOCKSTEP_ALLOW_SOFTWARE_GPU", "`1` allows a GPU that is emulated on the CPU; [gpu.md](gpu.md)"],
];

/** Options that several commands share, each documented once. */
const RUN = { title: "Options of a run", options: addRunOptions(new Command()).options };
const MACHINE = { title: "Options of the machine", options: addMachineOptions(new Command()).options };
const SCALING = { title: "Options of scaling", options: addScalingOptions(new Command()).options };
const SHARED = [RUN, MACHINE, SCALING];

/** Returns the content of docs/configuration.md. */
export function configurationPage(): string {
  const commands = [
    ...leavesOf(trainerProgram(), "pnpm"),
    { name: "pnpm coordinator", command: coordinatorProgram() },
    { name: "pnpm worker", command: workerProgram() },
  ];
  const environment = ENVIRONMENT.map(([name, meaning]) => [code(name), meaning]);
  return [
    HEAD,
    section(RUN.title, RUN_ABOUT, tableOf(["option", "default", "value", "meaning", "on resume"], runRows())),
    section(
      MACHINE.title,
      "These options choose the device. `--resume` on one machine uses the saved values; [run-folder.md](run-folder.md#resuming) says when it keeps a number of threads that the machine has chosen.",
      optionTable(MACHINE.options),
    ),
    section(
      SCALING.title,
      "These options let the batch size and the learning rate follow the number of workers.",
      optionTable(SCALING.options),
    ),
    ...commands.map(commandSection),
    section(
      "Environment",
      "The commands read these variables; an empty one counts as unset. Relative paths in them also start from the folder in which you type the command.",
      tableOf(["variable", "meaning"], environment),
    ),
  ].join("\n");
}

const RUN_ABOUT =
  "These options define what a run computes. `--resume` uses the saved values; only the options marked in the last column may be given again.";

function runRows(): string[][] {
  return Object.values(runOptions).flatMap((option) => {
    const { flags, help, expected, default: value } = option;
    const { meaning, stated } = split(help);
    const switches = typeof value === "boolean";
    const shown = switches ? "off" : (stated ?? (value === undefined ? "none" : code(String(value))));
    const mayChange = "changeable" in option && option.changeable ? "may change" : "";
    const row = [code(flags), shown, switches ? "a switch" : expected, meaning, mayChange];
    if (!("opposite" in option) || option.opposite === undefined) return [row];
    return [row, [code(option.opposite.flags), "on", "a switch", option.opposite.help, mayChange]];
  });
}

interface NamedCommand {
  name: string;
  command: CommandUnknownOpts;
}

/** Returns the commands that can be run: not `bench`, but `bench step`. pnpm itself has a command `doctor`. */
function leavesOf(command: CommandUnknownOpts, name: string): NamedCommand[] {
  if (command.commands.length === 0) return [{ name, command }];
  return command.commands.flatMap((one) =>
    leavesOf(one, one.name() === "doctor" ? "pnpm run doctor" : `${name} ${one.name()}`),
  );
}

/** Returns the section of a command: its own options and defaults, and which of the shared options it has. */
function commandSection({ name, command }: NamedCommand): string {
  const flags = command.options.map((option) => option.flags);
  const groups = SHARED.filter(({ options }) => options.every((option) => flags.includes(option.flags)));
  const key = ({ flags, description }: Option) => `${flags} ${description}`;
  const shared = groups.flatMap(({ options }) => options.map(key));
  const own = command.options.filter((option) => !shared.includes(key(option)));
  const links = groups.map(({ title }) => `[${title.toLowerCase()}](#${title.toLowerCase().replaceAll(" ", "-")})`);
  const words = command.registeredArguments.map((argument) => ` <${argument.name()}${argument.variadic ? "..." : ""}>`);
  const about = `${command.description()}.${links.length === 0 ? "" : ` Also takes ${listed(links.map((link) => `the ${link}`))}.`}`;
  const text = defined(about[0]).toUpperCase() + about.slice(1);
  return section(code(name + words.join("")), text, own.length === 0 ? "" : optionTable(own));
}

function optionTable(options: readonly Option[]): string {
  const rows = options.map((option) => {
    const { meaning, stated } = split(option.description);
    const environment = option.envVar === undefined ? "" : ` (also in ${code(option.envVar)})`;
    return [code(option.flags), defaultOf(option, stated), valuesOf(option), meaning + environment];
  });
  return tableOf(["option", "default", "value", "meaning"], rows);
}

function defaultOf(option: Option, stated: string | undefined): string {
  const { mandatory, defaultValue, defaultValueDescription } = option;
  if (isSwitch(option)) return "off";
  if (mandatory && defaultValue === undefined) return "required";
  if (stated !== undefined) return stated.includes("<") ? code(stated) : stated;
  if (defaultValueDescription !== undefined) return defaultValueDescription;
  return defaultValue === undefined || String(defaultValue) === "" ? "none" : code(String(defaultValue));
}

/** Returns the values of an option: a list, a number, or the name of the placeholder. */
function valuesOf(option: Option): string {
  const { argChoices, parseArg, flags } = option;
  if (argChoices !== undefined) return argChoices.join(", ");
  if (isSwitch(option)) return "a switch";
  if (parseArg === positiveNumber) return "a whole number of at least 1";
  if (parseArg === severalWorkers) return "a whole number of at least 2";
  const ofRun = Object.values(runOptions).find((option) => option.flags === flags);
  if (ofRun !== undefined) return ofRun.expected;
  if (parseArg === wholeNumber) return "a whole number";
  if (parseArg === portNumber) return "a port";
  if (flags.endsWith("-ms <ms>")) return "a whole number of at least 1";
  const name = defined(defined(/[<[](.+?)(\.\.\.)?[>\]]/.exec(flags))[1]);
  const known: Record<string, string> = {
    dir: "a folder",
    file: "a file",
    path: "a path",
    "name|path": "a name, or a path",
    index: "nothing, or a number",
  };
  return known[name] ?? name;
}

const isSwitch = ({ required, optional }: Option) => !required && !optional;

/** Splits a help text from the default that it states at its end. */
function split(help: string): { meaning: string; stated: string | undefined } {
  const found = /^(.*) \(default: (.*)\)$/.exec(help);
  return { meaning: found?.[1] ?? help, stated: found?.[2] };
}

const section = (title: string, about: string, content: string) =>
  `## ${title}\n\n${about}\n${content === "" ? "" : `\n${content}`}`;

function tableOf(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return [head, head.map(() => "---"), ...rows].map(line).join("");
}

const code = (text: string) => `\`${text}\``;

/** Returns "a", "a and b", or "a, b and c". */
function listed(words: readonly string[]): string {
  const last = words.slice(-2).join(" and ");
  return [...words.slice(0, -2), last].join(", ");
}
