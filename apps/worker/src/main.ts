/** `pnpm worker`: joins a coordinator with this machine's device. */
import { LockstepError } from "@lockstep/errors";
import { Command, Option } from "commander";
import { work } from "./worker.ts";

const program = new Command("worker")
  .description("compute for a coordinator")
  .addOption(
    new Option("--coordinator <url>", "where it listens").env("LOCKSTEP_COORDINATOR").default("ws://127.0.0.1:7077"),
  )
  .option("--name <name>", "how it is called in logs and metrics (default: host and process)")
  .option("--data-dir <dir>", "where this machine has the data set's files")
  .option("--max-rows <n>", "compute a slice in parts of this many samples", Number)
  .addOption(new Option("--backend <name>", "force a backend").choices(["native", "wasm", "cpu"]))
  .option("--threads <n>", "threads for computing (default: all cores)", Number);
try {
  program.parse();
  const { coordinator, name, dataDir, maxRows, ...machine } = program.opts();
  await work({ coordinator, name, dataDir, maxRows, machine, log: (line) => console.log(line) });
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
