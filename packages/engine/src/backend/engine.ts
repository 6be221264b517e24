/** The types of an engine and of its options, with their checks and their words. */
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import { describeQuota } from "../host/cores.ts";

const BACKENDS = ["native", "webgpu", "wasm", "cpu"] as const;
/** The name of a backend, as `--backend` takes it. */
export type BackendName = (typeof BACKENDS)[number];

/** The demands that an engine must meet. */
export interface EngineOptions {
  /**
   * The backend that it must be; absent, the first that works of native, wasm and cpu (pure JavaScript), or, where a
   * GPU is demanded, of native and webgpu.
   */
  backend?: BackendName | undefined;
  /**
   * `true` or an index demands a GPU, `false` keeps off them; absent, one is used if all that CUDA needs is there.
   * Without an index it is one that no other process has, if there is one.
   * CUDA and WebGPU count GPUs each in its own order.
   */
  gpu?: boolean | number | undefined;
  /** Threads of native TensorFlow, 1 or more; absent, one for each core that the CPU quota pays for. */
  threads?: number | undefined;
  /** Called with whole lines that say what is downloaded, passed over and chosen. */
  log?: (line: string) => void;
}

/** Something that would have been better, why it is not used, and what would change that. */
export interface SkippedBackend {
  backend: string;
  reason: string;
  /** Empty where nothing helps. */
  remedy: string;
}

/** The hardware that computes. */
export interface Device {
  kind: "cpu" | "gpu";
  name: string;
  /** A GPU's driver: its version, or its account of itself. */
  driver?: string;
  /** Memory of a GPU that CUDA drives. */
  memoryBytes?: number;
  /** The largest tensor of a GPU that WebGPU drives, which does not tell its memory. */
  maxTensorBytes?: number;
}

/** The backend that runs, and the hardware that it runs on. */
export interface Engine {
  backend: BackendName;
  device: Device;
  /** Version of libtensorflow; on the other backends, of TensorFlow.js. */
  libraryVersion: string;
  /** The processor's widest vector instructions, for example "AVX512". */
  instructionSet: string;
  /** Threads that compute. */
  threads: number;
  /** The CPU quota, in cores, if it is what limits the threads. */
  quota?: number;
  skipped: SkippedBackend[];
}

/** "engine: native TensorFlow 2.21.0, CPU AMD EPYC (AVX512), 2 threads" */
export function describeEngine({ backend, device, libraryVersion, threads, quota, instructionSet }: Engine): string {
  const library = backend === "native" ? "native TensorFlow" : `TensorFlow.js on ${backend}`;
  const reason = quota === undefined ? "" : ` ${describeQuota(quota)}`;
  const inThreads = `CPU ${device.name} (${instructionSet}), ${threads} ${threads === 1 ? "thread" : "threads"}${reason}`;
  return `engine: ${library} ${libraryVersion}, ${device.kind === "cpu" ? inThreads : `GPU ${describeGpu(device)}`}`;
}

/** The properties of an engine that decide its bits: two engines that are equal in all of them compute the same. */
export function bitProperties({ backend, device, libraryVersion, instructionSet, threads }: Engine) {
  const gpu = device.kind === "gpu" ? { gpu: describeGpu(device) } : {};
  return { backend, libraryVersion, ...gpu, instructionSet, threads };
}

/** A CPU by its name, a GPU with its driver and memory too. */
export function describeDevice(device: Device): string {
  return device.kind === "cpu" ? device.name : describeGpu(device);
}

/** "NVIDIA H200, driver 570.86.15, 140.4 GiB" */
export function describeGpu({ name, driver, memoryBytes, maxTensorBytes }: Omit<Device, "kind">): string {
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  if (memoryBytes !== undefined) return `${name}, driver ${driver}, ${gib(memoryBytes)}`;
  return maxTensorBytes === undefined ? name : `${name}, ${driver}, tensors up to ${gib(maxTensorBytes)}`;
}

/** Returns whether the option demands a GPU. */
export const isGpuRequired = (gpu: boolean | number | undefined) => gpu !== undefined && gpu !== false;

/** @throws LockstepError ERR_BACKEND_NAME, ERR_GPU_BACKEND, ERR_GPU_INDEX or ERR_THREADS */
export function assertEngineOptions({ backend, gpu, threads }: EngineOptions): void {
  const fail = (code: ErrorCode, message: string): never => {
    throw new LockstepError(code, message);
  };
  if (backend !== undefined && !BACKENDS.includes(backend)) {
    fail("ERR_BACKEND_NAME", `There is no backend ${backend}. Name ${BACKENDS.join(", ")}.`);
  }
  if (isGpuRequired(gpu) && (backend === "wasm" || backend === "cpu")) {
    fail("ERR_GPU_BACKEND", `The backend ${backend} does not use GPUs. Leave out the GPU, or the backend.`);
  }
  if (gpu === false && backend === "webgpu") {
    fail("ERR_GPU_BACKEND", "The backend webgpu needs a GPU. Allow one, or name another backend.");
  }
  if (typeof gpu === "number" && !(Number.isInteger(gpu) && gpu >= 0)) {
    fail("ERR_GPU_INDEX", `A GPU's index is 0, 1, 2, …; this one is ${gpu}.`);
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    fail("ERR_THREADS", `The number of threads must be 1 or more, and whole; it is ${threads}.`);
  }
}
