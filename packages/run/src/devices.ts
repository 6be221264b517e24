/** The properties of devices that determine the bits of a run. */
import { at, counted } from "@lockstep/errors";
import { z } from "zod";
import { sum } from "./statistics.ts";

const count = z.int().nonnegative();
const deviceFields = {
  backend: z.string(),
  /** Version of TensorFlow, or of TensorFlow.js. */
  libraryVersion: z.string(),
  /** Name and driver of the GPU; absent on a CPU. */
  gpu: z.string().optional(),
  /** The processor's widest vector instruction set, for example "AVX512". */
  instructionSet: z.string(),
  threads: count,
};

/** Schema of a group of workers with equal devices. */
export const deviceGroupSchema = z.strictObject({ ...deviceFields, workers: count });
/** A number of workers with equal devices. */
export type DeviceGroup = z.infer<typeof deviceGroupSchema>;
/** Two devices that are equal in all of these fields compute the same bits from the same numbers. */
export type RunDevice = Omit<DeviceGroup, "workers">;

/** Returns a key that is the same for equal devices. */
export function deviceKey({ backend, libraryVersion, gpu, instructionSet, threads }: RunDevice): string {
  return JSON.stringify([backend, libraryVersion, gpu ?? null, instructionSet, threads]);
}

/** Groups equal devices, in order of first occurrence. */
export function groupDevices(devices: readonly RunDevice[]): DeviceGroup[] {
  const groups = new Map<string, DeviceGroup>();
  for (const { backend, libraryVersion, gpu, instructionSet, threads } of devices) {
    const device = { backend, libraryVersion, ...(gpu !== undefined && { gpu }), instructionSet, threads };
    const known = groups.get(deviceKey(device));
    if (known === undefined) groups.set(deviceKey(device), { ...device, workers: 1 });
    else known.workers++;
  }
  return [...groups.values()];
}

/** Merges current devices into previous ones. For equal devices, the larger number of workers counts. */
export function mergeDevices(before: readonly DeviceGroup[], now: readonly DeviceGroup[]): DeviceGroup[] {
  const merged = new Map(before.map((group) => [deviceKey(group), group]));
  for (const group of now) {
    const known = merged.get(deviceKey(group));
    if (known === undefined || known.workers < group.workers) merged.set(deviceKey(group), group);
  }
  return [...merged.values()];
}

/** The conditions under which a run keeps its bits. */
export interface BitPromise {
  /** Fixed rows of a slice, with which any number of workers gives the same bits. */
  sliceRows: number | undefined;
  /** Number of workers that continue the run. */
  workers: number;
}

/**
 * Returns the number of threads that a resumed run with fixed slices needs to compute the bits of an undisturbed run.
 *
 * @param before the devices that computed the run until now; undefined in folders of earlier versions
 * @returns undefined if any number will do: without fixed slices, after devices that differ, or on a backend that has
 *   no choice of threads
 */
export function threadsToKeep(
  before: readonly DeviceGroup[] | undefined,
  { sliceRows }: Pick<BitPromise, "sliceRows">,
): number | undefined {
  if (sliceRows === undefined || before?.length !== 1) return undefined;
  const { backend, threads } = at(before, 0);
  return backend === "native" ? threads : undefined;
}

/** The arithmetic and the devices that determine a run's bits. Folders of earlier versions do not have them. */
export interface ComputedWith {
  /** Version of Lockstep's arithmetic. */
  arithmetic?: number | undefined;
  devices?: readonly DeviceGroup[] | undefined;
}

/**
 * Returns the line that says why a resumed run will not give the bits of an undisturbed one.
 *
 * @param before what computed the run until now
 * @param now what continues it
 * @returns undefined if the bits stay the same, or were not promised
 */
export function differentBitsLine(
  before: ComputedWith = {},
  now: { arithmetic: number; devices: readonly DeviceGroup[] },
  { sliceRows }: { sliceRows?: number | undefined },
): string | undefined {
  const { arithmetic, devices = [] } = before;
  const workers = workersOf(now.devices);
  const [was, ...others] = devices;
  if (was === undefined || others.length > 0 || !promisesBits(devices, { sliceRows, workers })) return undefined;
  const other = now.devices.find((device) => deviceKey(device) !== deviceKey(was));
  const reasons = [
    other !== undefined &&
      `it was computed ${describeDifferences(was, other)}, and is now computed ${describeDifferences(other, was)}`,
    arithmetic !== now.arithmetic &&
      `the version of Lockstep's arithmetic was ${arithmetic}, and is now ${now.arithmetic}`,
  ].filter((reason) => reason !== false);
  if (reasons.length === 0) return undefined;
  const text = "the results may differ in their last bits from those of an uninterrupted run";
  const hasOtherThreads = other !== undefined && other.threads !== was.threads;
  const remedy = hasOtherThreads ? `; use --threads ${was.threads} for as many threads as before` : "";
  return `${text}: ${reasons.join("; ")}${remedy}`;
}

const workersOf = (devices: readonly DeviceGroup[]) => sum(devices.map(({ workers }) => workers));

/** Returns whether the run promises its bits. Without fixed slices it does so only for a single worker. */
function promisesBits(before: readonly DeviceGroup[], { sliceRows, workers }: BitPromise): boolean {
  return sliceRows !== undefined || (workersOf(before) === 1 && workers === 1);
}

/** Describes the properties in which a device differs from another one. */
function describeDifferences(device: RunDevice, other: RunDevice): string {
  const { backend, libraryVersion, gpu, instructionSet, threads } = device;
  const parts = [
    backend !== other.backend && `on the ${backend} backend`,
    gpu !== other.gpu && `on ${gpu ?? "a CPU"}`,
    libraryVersion !== other.libraryVersion && `with library version ${libraryVersion}`,
    instructionSet !== other.instructionSet && `with ${instructionSet} instructions`,
    threads !== other.threads && `with ${counted(threads, "thread")}`,
  ];
  return parts.filter((part) => part !== false).join(" ");
}
