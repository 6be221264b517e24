/** The WebGPU device of this process. */
import { messageOf } from "@lockstep/errors";
import { recordGpuFault } from "../backend/gpu-fault.ts";
import { tf } from "../backend/tf.ts";
import { Unavailable } from "../backend/unavailable.ts";
import { claimGpu, sharedLine } from "../native/claim-gpu.ts";
import { ADAPTER_OPTIONS, type Adapter, findAdapter, reachableAdapters } from "./adapters.ts";
import { limitTensors } from "./tensor-limit.ts";

/** The limits that TensorFlow.js uses. A device has the lowest legal value of those that are not requested. */
const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
] as const;

let started: Adapter | undefined;
/** Referenced here so that it is not garbage-collected: devices use it without a reference, and would crash. */
let webgpu: GPU;

/**
 * Makes WebGPU the backend of TensorFlow.js. A process uses one device: a second call returns the same adapter.
 *
 * @param index index of the GPU; undefined prefers one that no other process uses
 * @throws Unavailable if there is no such GPU or it does not work
 */
export async function startWebgpu(index: number | undefined, log: (line: string) => void): Promise<Adapter> {
  started ??= await start(index, log);
  await tf.setBackend("webgpu");
  return started;
}

async function start(index: number | undefined, log: (line: string) => void): Promise<Adapter> {
  const adapters = index === undefined ? await reachableAdapters() : [await findAdapter(index)];
  const { card, isShared, release } = await claimGpu(adapters, ({ name }) => `webgpu ${name}`);
  try {
    const adapter = await open(card);
    if (isShared) log(sharedLine(adapter.name));
    return adapter;
  } catch (error) {
    release();
    throw error;
  }
}

async function open(adapter: Adapter): Promise<Adapter> {
  try {
    const { create, globals } = await import("webgpu");
    Object.assign(globalThis, globals); // GPUBufferUsage and others, which the backend reads from there
    webgpu = create([`adapter=${adapter.name}`]);
    const found = await webgpu.requestAdapter(ADAPTER_OPTIONS);
    if (found === null) throw new Error("it is no longer available");
    const { limits } = found;
    const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, limits[name]]));
    const device = await found.requestDevice({ requiredLimits });
    watch(device);
    const { CheckedBackend } = await import("./backend.ts");
    const backend = withNavigator(webgpu, () => new CheckedBackend(device, found.info));
    tf.registerBackend("webgpu", () => backend);
  } catch (error) {
    const reason = `WebGPU cannot use ${adapter.name}: ${messageOf(error)}.`;
    throw new Unavailable("ERR_WEBGPU", reason, "Update its driver.", { cause: error });
  }
  limitTensors(adapter.maxTensorBytes);
  return adapter;
}

/** Records faults of the device: a failed operation does not throw, and what is read afterwards looks like numbers. */
function watch(device: GPUDevice): void {
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault(); // otherwise it is printed
    const { error } = event;
    const full = error instanceof GPUOutOfMemoryError;
    const remedy = full
      ? "The GPU is out of memory: set a smaller --max-rows."
      : "Update its driver, or report this error.";
    recordGpuFault(`An operation failed on the GPU: ${error.message} ${remedy}`);
  });
  void device.lost.then(({ message }) => {
    const remedy = "Resume the run from its last checkpoint with --resume.";
    recordGpuFault(`The GPU was lost: ${message}. ${remedy}`);
  });
}

/** Defines `navigator.gpu` for the backend's constructor only: other code would take Node for a browser. */
function withNavigator<Result>(gpu: GPU, construct: () => Result): Result {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  try {
    return construct();
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else Reflect.deleteProperty(globalThis, "navigator");
  }
}
