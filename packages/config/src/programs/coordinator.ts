/** The command line of the coordinator. */

import { Option } from "@commander-js/extra-typings";
import { MAX_HEARTBEAT_MS } from "@lockstep/gradient-sync";
import { addLogOption, type OptionsOf, positiveNumber, wholeNumberOf } from "../command-line.ts";
import { finishProgram } from "./finish-program.ts";
import { listenCommand } from "./listen-options.ts";

/** Makes the program `coordinator`, which parses its options and does nothing else. */
export function coordinatorProgram() {
  const program = addLogOption(listenCommand("coordinator"))
    .description("wait for workers, and train one model with all of them")
    .addOption(new Option("--workers <n>", "workers to wait for").argParser(positiveNumber).default(2))
    .addOption(
      new Option("--heartbeat-ms <ms>", "heartbeat interval; a worker that is silent for three intervals is dropped")
        .argParser(wholeNumberOf(`a whole number from 1 to ${MAX_HEARTBEAT_MS}`, 1, MAX_HEARTBEAT_MS))
        .default(1000),
    )
    .addOption(
      new Option(
        "--stall-ms <ms>",
        "time without progress after which a worker is dropped, even if it sends heartbeats",
      )
        .argParser(positiveNumber)
        .default(60_000),
    )
    .addOption(
      new Option("--min-workers <n>", "number of workers below which the run pauses")
        .argParser(positiveNumber)
        .default(1),
    )
    .addOption(
      new Option(
        "--balance <how>",
        "balance of the slices: speed (as measured, if workers differ by more than 15 %), or even",
      )
        .choices(["speed", "even"])
        .default("speed"),
    )
    .option("--keep-open", "keep serving the pages after the run, until Ctrl-C")
    .addOption(new Option("--resume <dir>", "folder of the run to continue").conflicts("out"))
    .option("--out <dir>", "folder of the run (default: runs/<date>-<model>)");
  return finishProgram(program);
}

/** The program `coordinator`. */
export type CoordinatorProgram = ReturnType<typeof coordinatorProgram>;

/** The options of the coordinator besides those of the run. */
export type CoordinatorCommandOptions = OptionsOf<CoordinatorProgram>;
