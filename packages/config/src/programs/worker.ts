/** The command line of a worker. */

import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { MAX_NAME_CHARACTERS, workerName } from "@lockstep/gradient-sync";
import { addLogOption, addMachineOptions, type OptionsOf, positiveNumber, wholeNumber } from "../command-line.ts";
import { resolveUserPaths } from "../user-paths.ts";
import { throwUsageErrors } from "./usage-errors.ts";

/** Makes the program `worker`, which only reads its options. */
export function workerProgram() {
  const program = addLogOption(addMachineOptions(new Command("worker")))
    .description("compute for a coordinator")
    .addOption(
      new Option("--coordinator <url>", "where it listens (default: this machine, else the local network)").env(
        "LOCKSTEP_COORDINATOR",
      ),
    )
    .addOption(
      new Option(
        "--token <token>",
        "the coordinator's; this option shows in the list of processes: better give it in the environment",
      ).env("LOCKSTEP_TOKEN"),
    )
    .option(
      "--tls-fingerprint <sha256>",
      "of the coordinator's certificate, as it printed it (default: a known authority must vouch for the certificate)",
    )
    .option("--insecure", "let the token cross a network that others can read, to a coordinator without TLS")
    .option("--model <path>", "this machine's copy of a model that is made by code; it must be the coordinator's")
    .addOption(
      new Option("--name <name>", "how it is called in logs and metrics (default: host and process)").argParser(nameOf),
    )
    .option("--data-dir <dir>", "where this machine has the data set's files")
    .addOption(
      new Option("--max-rows <samples>", "compute a slice in parts of this many samples").argParser(positiveNumber),
    )
    .addOption(
      new Option("--reconnect-ms <ms>", "how long a coordinator that went away is looked for")
        .argParser(wholeNumber)
        .default(120_000),
    );
  return throwUsageErrors(resolveUserPaths(program));
}

/** The options of a worker. */
export type WorkerCommandOptions = OptionsOf<ReturnType<typeof workerProgram>>;

function nameOf(text: string): string {
  const name = workerName(text);
  if (name !== undefined) return name;
  const length = text.trim() === "" ? "an empty one" : `${text.length}`;
  throw new InvalidArgumentError(`Expected a name of 1 to ${MAX_NAME_CHARACTERS} characters, got ${length}.`);
}
