/** Chooses the device of a resumed run. */
import { type MachineOptions, resumedMachine } from "@lockstep/config";
import { threadsToKeep } from "./devices.ts";
import type { RunInputs } from "./open-run.ts";

/** The machine options of a run, and the line that says why a resumed run has its number of threads. */
export interface ResumedMachine {
  machine: MachineOptions;
  /** Undefined for a new run, and if the user gives the number now. */
  threadsLine?: string | undefined;
}

/**
 * Returns the options of this machine. A resumed run keeps the number of threads that was given when it started. With
 * fixed slices it keeps also a number that the machine has chosen, since its bits depend on it.
 *
 * @param explicit the options that the user gives now
 */
export function resumedMachineOf({ saved, config }: RunInputs, explicit: MachineOptions): ResumedMachine {
  if (saved === undefined) return { machine: explicit };
  const requiredThreads = threadsToKeep(saved.derived.devices, config);
  const machine = resumedMachine(saved.machine, explicit, requiredThreads);
  return {
    machine,
    threadsLine: explicit.threads === undefined ? lineOf(saved.machine.threads, requiredThreads) : undefined,
  };
}

function lineOf(explicitThreads: number | undefined, requiredThreads: number | undefined): string {
  if (explicitThreads !== undefined)
    return `threads: ${explicitThreads}, as the run's folder says; --threads changes it`;
  if (requiredThreads !== undefined)
    return `threads: ${requiredThreads}, as before, because the bits of --slice-rows depend on it`;
  return "threads: this machine's default, as the run was started without --threads";
}
