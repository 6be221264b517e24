/** `pnpm worker`: joins a coordinator with this machine's device. */
import {
  collectSeldom,
  displayOn,
  type LogFormat,
  machineOptions,
  tellFailure,
  tidyArguments,
  watchInterrupts,
} from "@lockstep/run";
import { findCoordinator } from "./find-coordinator.ts";
import { makeProgram } from "./program.ts";
import { work } from "./worker.ts";

const program = makeProgram().parse(tidyArguments(["worker", ...process.argv.slice(2)]).slice(1), { from: "user" });
const { coordinator, token, tlsFingerprint, insecure, reconnectMs, log: format, ...own } = program.opts();
const { line: log } = displayOn(process.stdout, format as LogFormat);

/** The first Ctrl-C lets the slice be finished, the second ends the process at once. */
function onLeave(leave: () => void): void {
  watchInterrupts(() => {
    log("leaving after this slice; Ctrl-C again leaves at once");
    leave();
  });
}

collectSeldom();
try {
  const { model, name, dataDir, maxRows, ...machine } = own;
  const join = { token, tlsFingerprint, insecure };
  const url = coordinator ?? (await findCoordinator(join, log));
  const here = { model, name, dataDir, maxRows, machine: machineOptions(machine) };
  await work({ coordinator: url, join, reconnectMs, ...here, log, onLeave });
} catch (error) {
  tellFailure(error, format);
}
