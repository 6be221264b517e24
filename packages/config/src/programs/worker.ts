/** The command line of a worker. */

import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { MAX_NAME_CHARACTERS, workerName } from "@lockstep/gradient-sync";
import { addLogOption, addMachineOptions, type OptionsOf, positiveNumber, wholeNumber } from "../command-line.ts";
import { finishProgram } from "./finish-program.ts";

/** Makes the program `worker`, which parses its options and does nothing else. */
export function workerProgram() {
  const program = new Command("worker")
    .description("compute for a coordinator")
    .addOption(
      new Option(
        "--coordinator <url>",
        "address of the coordinator (default: one on this machine, else on the local network)",
      ).env("LOCKSTEP_COORDINATOR"),
    )
    .addOption(
      new Option(
        "--token <token>",
        "token of the coordinator. Command lines are visible in the process list: prefer the environment",
      ).env("LOCKSTEP_TOKEN"),
    )
    .option(
      "--tls-fingerprint <sha256>",
      "fingerprint of the coordinator's certificate, as the coordinator prints it (default: a known authority must have signed the certificate)",
    )
    .option("--insecure", "allow sending the token unencrypted, to a coordinator without TLS")
    .option("--model <path>", "this machine's copy of a model that is defined by code; it must equal the coordinator's")
    .addOption(new Option("--name <name>", "name in logs and metrics (default: host and process id)").argParser(nameOf))
    .option("--data-dir <dir>", "folder of the data set's files on this machine")
    .addOption(new Option("--max-rows <samples>", "samples computed at once, to save memory").argParser(positiveNumber))
    .addOption(
      new Option("--reconnect-ms <ms>", "time limit for reconnecting to a coordinator that disconnected")
        .argParser(wholeNumber)
        .default(120_000),
    );
  return finishProgram(addLogOption(addMachineOptions(program)));
}

/** The options of a worker. */
export type WorkerCommandOptions = OptionsOf<ReturnType<typeof workerProgram>>;

function nameOf(text: string): string {
  const name = workerName(text);
  if (name !== undefined) return name;
  const length = text.trim() === "" ? "an empty one" : `${text.length}`;
  throw new InvalidArgumentError(`Expected a name of 1 to ${MAX_NAME_CHARACTERS} characters, got ${length}.`);
}
