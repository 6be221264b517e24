/** The coordinator's command line: which options there are. */

import {
  addLogOption,
  addRunOptions,
  addScalingOptions,
  positiveNumber,
  takePathsFromUser,
  type WeakScaling,
  wholeNumberOf,
} from "@lockstep/config";
import { MAX_HEARTBEAT_MS } from "@lockstep/gradient-sync";
import type { LogFormat } from "@lockstep/run";
import { Command, Option } from "commander";
import type { Balance } from "../membership/balance.ts";
import { addEntranceOptions, type EntranceOptions } from "./entrance.ts";

/** What the options come to, besides those of the run. */
export type CommandOptions = WeakScaling &
  EntranceOptions & {
    balance: Balance;
    heartbeatMs: number;
    stallMs: number;
    minWorkers: number;
    keepOpen?: boolean;
    resume?: string;
    out?: string;
    log: LogFormat;
  };

export function makeProgram(): Command {
  const program = addLogOption(addEntranceOptions(addScalingOptions(addRunOptions(new Command("coordinator")))))
    .description("gather workers, and train one model with all of them")
    .addOption(new Option("--workers <n>", "workers to wait for").argParser(positiveNumber).default(2))
    .addOption(
      new Option("--heartbeat-ms <ms>", "a worker that is silent for three times this is lost")
        .argParser(wholeNumberOf(`a whole number from 1 to ${MAX_HEARTBEAT_MS}`, 1, MAX_HEARTBEAT_MS))
        .default(1000),
    )
    .addOption(
      new Option("--stall-ms <ms>", "a worker that lives, but finishes nothing for so long, is dropped")
        .argParser(positiveNumber)
        .default(60_000),
    )
    .addOption(
      new Option("--min-workers <n>", "with fewer workers than this the run pauses")
        .argParser(positiveNumber)
        .default(1),
    )
    .addOption(
      new Option("--balance <how>", "slices by measured speed where workers differ by more than 15 %, or even")
        .choices(["speed", "even"])
        .default("speed"),
    )
    .option("--keep-open", "keep answering when the run is over, until Ctrl-C")
    .addOption(new Option("--resume <dir>", "continue the run in this folder").conflicts("out"))
    .option("--out <dir>", "folder of the run (default: runs/<date>-<model>)");
  return takePathsFromUser(program);
}
