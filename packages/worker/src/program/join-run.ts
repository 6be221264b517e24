/** Joins a coordinator with this machine's device. */
import { machineOptions } from "@lockstep/config";
import type { WorkerCommandOptions } from "@lockstep/config/programs";
import { displayOn, reportFailure, tuneGarbageCollection, watchInterrupts } from "@lockstep/run";
import { connect } from "../connection/connect.ts";
import { work } from "../worker.ts";
import { findCoordinator } from "./find-coordinator.ts";
import { exitWithParent, reportToParent } from "./parent.ts";

/** Computes for a coordinator until its run ends, and reports the error if it fails. */
export async function joinRun(options: WorkerCommandOptions): Promise<void> {
  const { coordinator, token, tlsFingerprint, insecure, reconnectMs, log: format, ...local } = options;
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
}
