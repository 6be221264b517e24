/** `pnpm worker`: joins a coordinator with this machine's device. */
import { LockstepError } from "@lockstep/errors";
import {
  addMachineOptions,
  machineOptions,
  positiveNumber,
  tidyArguments,
  watchInterrupts,
  wholeNumber,
} from "@lockstep/run";
import { Command, Option } from "commander";
import { findCoordinator } from "./find-coordinator.ts";
import { work } from "./worker.ts";

const program = addMachineOptions(new Command("worker"))
  .description("compute for a coordinator")
  .addOption(
    new Option("--coordinator <url>", "where it listens (default: this machine, else the local network)").env(
      "LOCKSTEP_COORDINATOR",
    ),
  )
  .option("--model <path>", "this machine's copy of a model that is made by code; it must be the coordinator's")
  .option("--name <name>", "how it is called in logs and metrics (default: host and process)")
  .option("--data-dir <dir>", "where this machine has the data set's files")
  .addOption(new Option("--max-rows <n>", "compute a slice in parts of this many samples").argParser(positiveNumber))
  .addOption(
    new Option("--reconnect-ms <ms>", "how long a coordinator that went away in the middle of a run is looked for")
      .argParser(wholeNumber)
      .default(120_000),
  );

/** The first Ctrl-C lets the slice be finished, the second ends the process at once. */
function onLeave(leave: () => void): void {
  watchInterrupts(() => {
    console.log("leaving after this slice; Ctrl-C again leaves at once");
    leave();
  });
}

try {
  program.parse(tidyArguments(["worker", ...process.argv.slice(2)]).slice(1), { from: "user" });
  const { coordinator, model, name, dataDir, maxRows, reconnectMs, ...machine } = program.opts();
  const log = (line: string) => console.log(line);
  const url = await findCoordinator(coordinator, log);
  const own = { model, name, dataDir, maxRows, reconnectMs, machine: machineOptions(machine) };
  await work({ coordinator: url, ...own, log, onLeave });
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
