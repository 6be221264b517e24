/** `pnpm worker`: joins a coordinator with this machine's device. */
import { LockstepError } from "@lockstep/errors";
import { collectSeldom, machineOptions, tidyArguments, watchInterrupts } from "@lockstep/run";
import { findCoordinator } from "./find-coordinator.ts";
import { makeProgram } from "./program.ts";
import { work } from "./worker.ts";

/** The first Ctrl-C lets the slice be finished, the second ends the process at once. */
function onLeave(leave: () => void): void {
  watchInterrupts(() => {
    console.log("leaving after this slice; Ctrl-C again leaves at once");
    leave();
  });
}

collectSeldom();
try {
  const program = makeProgram();
  program.parse(tidyArguments(["worker", ...process.argv.slice(2)]).slice(1), { from: "user" });
  const { coordinator, token, tlsFingerprint, insecure, reconnectMs, ...own } = program.opts();
  const { model, name, dataDir, maxRows, ...machine } = own;
  const log = (line: string) => console.log(line);
  const join = { token, tlsFingerprint, insecure };
  const url = coordinator ?? (await findCoordinator(join, log));
  const here = { model, name, dataDir, maxRows, machine: machineOptions(machine) };
  await work({ coordinator: url, join, reconnectMs, ...here, log, onLeave });
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
