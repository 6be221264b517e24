/** Loads everything that a local run needs, and checks whether it can be resumed. */
import type { MachineOptions } from "@lockstep/config";
import { bitProperties } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { ARITHMETIC_VERSION } from "@lockstep/gradient-sync";
import {
  type Derived,
  type Display,
  differentBitsLine,
  groupDevices,
  type RunInputs,
  resumedMachineOf,
} from "@lockstep/run";
import { isModelOf } from "../export/trained-model.ts";
import type { InitialValues } from "../state.ts";
import { initialValues } from "./initial-values.ts";
import { type PreparedRun, prepare } from "./prepare.ts";

/** A run whose engine, model, data and weights are loaded. */
export interface LoadedRun {
  prepared: PreparedRun;
  values: InitialValues;
}

/** Returns what decides the bits of a local run besides its configuration. */
export const localNumerics = ({ engine }: PreparedRun) => ({
  arithmetic: ARITHMETIC_VERSION,
  devices: groupDevices([bitProperties(engine)]),
});

/**
 * Loads engine, model, data and weights. A resumed run keeps its number of threads if it was given
 * or its bits depend on it.
 *
 * @param onPrepared called with what the caller must close, as soon as it is open
 * @throws LockstepError ERR_MODEL_CHANGED if a resumed run had another model
 */
export async function loadRun(
  start: RunInputs,
  options: MachineOptions,
  display: Display,
  onPrepared: (prepared: PreparedRun) => void,
): Promise<LoadedRun> {
  const { config, saved, checkpoint } = start;
  const { machine, threadsLine } = resumedMachineOf(start, options);
  if (threadsLine !== undefined) display.line(threadsLine);
  const prepared = await prepare(config, machine, display.line);
  onPrepared(prepared);
  if (saved !== undefined) {
    assertSameModel(prepared, saved.derived);
    const warning = differentBitsLine(saved.derived, localNumerics(prepared), config);
    if (warning !== undefined) display.line(warning, { level: "warn" });
    if (checkpoint === undefined) display.line("no checkpoint was written yet; starting again at step 0");
  }
  return { prepared, values: await initialValues(prepared, start, display.line) };
}

function assertSameModel({ config, loaded, names }: PreparedRun, derived: Derived): void {
  if (isModelOf(derived, loaded, names)) return;
  throw new LockstepError(
    "ERR_MODEL_CHANGED",
    `${config.model} is no longer the model that this run started with. Restore it, or start a new run with --init-from.`,
  );
}
