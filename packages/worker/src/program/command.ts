/** `pnpm worker`: joins a coordinator with this machine's device. */

import { machineOptions, tidyArguments } from "@lockstep/config";
import { workerProgram } from "@lockstep/config/programs";
import { displayOn, reportFailure, tuneGarbageCollection, watchInterrupts } from "@lockstep/run";
import { connect } from "../connection/connect.ts";
import { work } from "../worker.ts";
import { findCoordinator } from "./find-coordinator.ts";
import { exitWithParent, reportToParent } from "./parent.ts";

const program = workerProgram().parse(tidyArguments(["worker", ...process.argv.slice(2)]).slice(1), { from: "user" });
const { coordinator, token, tlsFingerprint, insecure, reconnectMs, log: format, ...local } = program.opts();
const { line: log } = displayOn(process.stdout, format);

exitWithParent();
tuneGarbageCollection();
try {
  const { model, name, dataDir, maxRows, ...machine } = local;
  const join = { token, tlsFingerprint, insecure };
  const url = coordinator ?? (await findCoordinator(join, log));
  const localOptions = { model, name, dataDir, maxRows, machine: machineOptions(machine) };
  const connection = await connect(url, join); // a signal before this ends the process at once
  const { signal } = watchInterrupts({ doing: "leaving after this slice", log });
  await work(connection, { coordinator: url, join, reconnectMs, ...localOptions, log, signal });
} catch (error) {
  if (reportToParent(error)) process.exitCode = 1;
  else reportFailure(error, format);
}
