/** The derived part of config.json, which follows from the options, the model and the data. */
import { isDeepStrictEqual } from "node:util";
import { version } from "@lockstep/config";
import { type DeviceGroup, mergeDevices } from "../devices.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { Derived, RunId } from "./run-file.ts";

/** Properties of a run's model and data. */
export type RunFacts = Pick<
  Derived,
  | "modelName"
  | "spec"
  | "topologyDigest"
  | "parameters"
  | "inputShape"
  | "numClasses"
  | "classes"
  | "mean"
  | "std"
  | "trainSamples"
  | "validationSamples"
  | "testSamples"
>;

/** Everything else that determines a run. */
export interface DerivedFrom {
  runId: RunId;
  /** Version of Lockstep's arithmetic. */
  arithmetic: number;
  devices: DeviceGroup[];
  schedule: Pick<Schedule, "stepsPerEpoch" | "steps">;
}

/** Returns the derived part of config.json, in the order in which it is written. */
export function derivedOf(facts: RunFacts, { runId, arithmetic, devices, schedule }: DerivedFrom): Derived {
  const { stepsPerEpoch, steps } = schedule;
  return { runId, lockstep: version, arithmetic, devices, ...facts, stepsPerEpoch, steps };
}

/** Adds devices that also compute the run. @returns whether that changes anything */
export function addDevices(derived: Derived, devices: readonly DeviceGroup[]): boolean {
  const merged = mergeDevices(derived.devices ?? [], devices);
  if (isDeepStrictEqual(merged, derived.devices)) return false;
  derived.devices = merged;
  return true;
}
