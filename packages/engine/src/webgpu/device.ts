/** The one WebGPU device of this process. */
import { recordGpuFault } from "../backend/gpu-fault.ts";
import { tf } from "../backend/tf.ts";
import { Unavailable } from "../backend/unavailable.ts";
import { claimGpu, sharedLine } from "../native/claim-gpu.ts";
import { ADAPTER_OPTIONS, type Adapter, findAdapter, reachableAdapters } from "./adapters.ts";
import { limitTensors } from "./tensor-limit.ts";

/** The limits that TensorFlow.js makes use of. A device has the lowest legal value of each that is not requested. */
const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
] as const;

let started: Adapter | undefined;
/** Kept, because devices use it and it does not know: were it collected, they would crash. */
let webgpu: GPU;

/**
 * Makes WebGPU the backend of TensorFlow.js. A process takes one device: a second call gives the first one's.
 *
 * @param index of the GPU; undefined takes one that no other process has
 * @throws Unavailable if there is no such GPU, or none that works
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
    Object.assign(globalThis, globals); // GPUBufferUsage and the like, which the backend takes from there
    webgpu = create([`adapter=${adapter.name}`]);
    const found = await webgpu.requestAdapter(ADAPTER_OPTIONS);
    if (found === null) throw new Error("it is gone");
    const { limits } = found;
    const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, limits[name]]));
    const device = await found.requestDevice({ requiredLimits });
    watch(device);
    const { CheckedBackend } = await import("./backend.ts");
    const backend = withNavigator(webgpu, () => new CheckedBackend(device, found.info));
    tf.registerBackend("webgpu", () => backend);
  } catch (error) {
    const reason = `${adapter.name} cannot be used by WebGPU: ${(error as Error).message}.`;
    throw new Unavailable("ERR_WEBGPU", reason, "Update its driver.", { cause: error });
  }
  limitTensors(adapter.maxTensorBytes);
  return adapter;
}

/** An operation that fails on the GPU throws nothing, and what is read afterwards looks like numbers. */
function watch(device: GPUDevice): void {
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault(); // or it is printed
    const { error } = event;
    const full = error instanceof GPUOutOfMemoryError;
    const remedy = full ? "Its memory is full: set a smaller --max-rows." : "Update its driver, or report this.";
    recordGpuFault(`The GPU could not do as it was told: ${error.message} ${remedy}`);
  });
  void device.lost.then(({ message }) => {
    const remedy = "Start again; a run goes on from its last checkpoint with --resume.";
    recordGpuFault(`The GPU is lost: ${message}. ${remedy}`);
  });
}

/** The backend's constructor looks for `navigator.gpu`, which Node has not; others who look would take it for a browser. */
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
