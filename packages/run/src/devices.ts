/** The devices that compute a run, as far as they decide its bits. */
import { z } from "zod";
import { sum } from "./statistics.ts";

const count = z.int().nonnegative();
const deviceFields = {
  backend: z.string(),
  /** Version of TensorFlow, or of TensorFlow.js. */
  libraryVersion: z.string(),
  /** Name and driver of the GPU; absent on a CPU. */
  gpu: z.string().optional(),
  /** The processor's widest vector instructions, for example "AVX512". */
  instructionSet: z.string(),
  threads: count,
};

/** Checks a group of workers whose devices are alike. */
export const deviceGroupSchema = z.strictObject({ ...deviceFields, workers: count });
/** A number of workers that compute on equal devices. */
export type DeviceGroup = z.infer<typeof deviceGroupSchema>;
/** Two devices that are equal in all of these fields give the same bits for the same numbers. */
export type RunDevice = Omit<DeviceGroup, "workers">;

/** The same text for any two devices that are alike. */
export function deviceKey({ backend, libraryVersion, gpu, instructionSet, threads }: RunDevice): string {
  return JSON.stringify([backend, libraryVersion, gpu ?? null, instructionSet, threads]);
}

/** Groups devices that are alike, in the order in which each kind comes first. */
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

/** Adds the devices that compute now to those that did before. Of devices that are alike, the larger number counts. */
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
  /** Workers that go on with the run. */
  workers: number;
}

/**
 * The threads that a resumed run must compute with to give the bits of an undisturbed one.
 *
 * @param before the devices that computed the run until now; undefined in folders of earlier versions
 * @returns undefined if any number will do, because the run promises no bits, or has none to keep
 */
export function threadsToKeep(before: readonly DeviceGroup[] | undefined, promise: BitPromise): number | undefined {
  const [device, ...others] = before ?? [];
  return device !== undefined && others.length === 0 && promisesBits(before!, promise) ? device.threads : undefined;
}

/** The arithmetic and the devices that decide a run's bits. Folders of earlier versions do not have them. */
export interface ComputedWith {
  /** Version of Lockstep's arithmetic. */
  arithmetic?: number | undefined;
  devices?: readonly DeviceGroup[] | undefined;
}

/**
 * Says that a resumed run will not give the bits of an undisturbed one, and why.
 *
 * @param before what computed it until now
 * @param now what goes on with it
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
      `it was computed ${describeDifferences(was, other)}, and now ${describeDifferences(other, was)}`,
    arithmetic !== now.arithmetic &&
      `the version of Lockstep's arithmetic was ${arithmetic}, and is now ${now.arithmetic}`,
  ].filter((reason) => reason !== false);
  if (reasons.length === 0) return undefined;
  const text = "the results differ in their last bits from those of a run without this stop";
  const hasOtherThreads = other !== undefined && other.threads !== was.threads;
  const remedy = hasOtherThreads ? `; --threads ${was.threads} takes as many threads as before` : "";
  return `${text}: ${reasons.join("; ")}${remedy}`;
}

const workersOf = (devices: readonly DeviceGroup[]) => sum(devices.map(({ workers }) => workers));

/** Returns whether the bits can stay. Without fixed slices they depend on the number of workers, so one must stay one. */
function promisesBits(before: readonly DeviceGroup[], { sliceRows, workers }: BitPromise): boolean {
  return sliceRows !== undefined || (workersOf(before) === 1 && workers === 1);
}

/** Those properties of a device in which it differs from another one. */
function describeDifferences(device: RunDevice, other: RunDevice): string {
  const { backend, libraryVersion, gpu, instructionSet, threads } = device;
  const parts = [
    backend !== other.backend && `on the ${backend} backend`,
    gpu !== other.gpu && `on ${gpu ?? "a CPU"}`,
    libraryVersion !== other.libraryVersion && `with library version ${libraryVersion}`,
    instructionSet !== other.instructionSet && `with ${instructionSet} instructions`,
    threads !== other.threads && `with ${threads} ${threads === 1 ? "thread" : "threads"}`,
  ];
  return parts.filter((part) => part !== false).join(" ");
}
