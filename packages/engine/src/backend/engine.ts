/** The types of an engine and its options, their checks and their descriptions. */
import { counted, type ErrorCode, LockstepError } from "@lockstep/errors";
import { describeQuota } from "../host/cores.ts";

const BACKENDS = ["native", "webgpu", "wasm", "cpu"] as const;
/** The name of a backend, as `--backend` takes it. */
export type BackendName = (typeof BACKENDS)[number];

/** Options of `startEngine`. */
export interface EngineOptions {
  /**
   * The backend to use.
   * @default the first that works of native, wasm and cpu (pure JavaScript); if a GPU is required, of native and webgpu
   */
  backend?: BackendName | undefined;
  /**
   * `true` or an index requires a GPU, `false` uses none. Without an index, a GPU that no other process uses is
   * preferred. CUDA and WebGPU number the GPUs independently.
   * @default a GPU if everything that CUDA needs is installed
   */
  gpu?: boolean | number | undefined;
  /** Threads of native TensorFlow, 1 or more. @default one for each core in the CPU quota */
  threads?: number | undefined;
  /** Called with lines about downloads, skipped backends and the choice. */
  log?: (line: string) => void;
}

/** A preferred backend that is not used, why not, and what would change that. */
export interface SkippedBackend {
  backend: string;
  reason: string;
  /** Empty if nothing helps. */
  remedy: string;
}

/** The hardware that computes. */
export interface Device {
  kind: "cpu" | "gpu";
  name: string;
  /** A GPU's driver: its version or its description. */
  driver?: string;
  /** Memory of a GPU under CUDA. */
  memoryBytes?: number;
  /** Largest tensor of a GPU under WebGPU, which does not report the memory. */
  maxTensorBytes?: number;
}

/** The running backend and its hardware. */
export interface Engine {
  backend: BackendName;
  device: Device;
  /** Version of libtensorflow for the native backend, of TensorFlow.js for the others. */
  libraryVersion: string;
  /** The processor's widest vector instructions, for example "AVX512". */
  instructionSet: string;
  /** Computing threads. */
  threads: number;
  /** CPU quota in cores, if it limits the threads. */
  quota?: number;
  skipped: SkippedBackend[];
}

/** Describes an engine in one line: "engine: native TensorFlow 2.21.0, CPU AMD EPYC (AVX512), 2 threads". */
export function describeEngine({ backend, device, libraryVersion, threads, quota, instructionSet }: Engine): string {
  const library = backend === "native" ? "native TensorFlow" : `TensorFlow.js on ${backend}`;
  const reason = quota === undefined ? "" : ` ${describeQuota(quota)}`;
  const inThreads = `CPU ${device.name} (${instructionSet}), ${counted(threads, "thread")}${reason}`;
  return `engine: ${library} ${libraryVersion}, ${device.kind === "cpu" ? inThreads : `GPU ${describeGpu(device)}`}`;
}

/** Returns the properties that decide an engine's bits: engines equal in all of them compute the same numbers. */
export function bitProperties({ backend, device, libraryVersion, instructionSet, threads }: Engine) {
  const gpu = device.kind === "gpu" ? { gpu: describeGpu(device) } : {};
  return { backend, libraryVersion, ...gpu, instructionSet, threads };
}

/** Describes a CPU by its name, and a GPU with its driver and memory. */
export function describeDevice(device: Device): string {
  return device.kind === "cpu" ? device.name : describeGpu(device);
}

/** Describes a GPU: "NVIDIA H200, driver 570.86.15, 140.4 GiB". */
export function describeGpu({ name, driver, memoryBytes, maxTensorBytes }: Omit<Device, "kind">): string {
  if (memoryBytes !== undefined) return `${name}, driver ${driver}, ${inGibibytes(memoryBytes)}`;
  return maxTensorBytes === undefined ? name : `${name}, ${driver}, tensors up to ${inGibibytes(maxTensorBytes)}`;
}

/** Returns a size of memory: "140.4 GiB". */
export function inGibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

/** Returns whether the option requires a GPU. */
export const isGpuRequired = (gpu: boolean | number | undefined) => gpu !== undefined && gpu !== false;

/** Checks the options. @throws LockstepError ERR_BACKEND_NAME, ERR_GPU_BACKEND, ERR_GPU_INDEX or ERR_THREADS */
export function assertEngineOptions({ backend, gpu, threads }: EngineOptions): void {
  const fail = (code: ErrorCode, message: string): never => {
    throw new LockstepError(code, message);
  };
  if (backend !== undefined && !BACKENDS.includes(backend)) {
    fail("ERR_BACKEND_NAME", `Expected a backend of ${BACKENDS.join(", ")}, got ${backend}.`);
  }
  if (isGpuRequired(gpu) && (backend === "wasm" || backend === "cpu")) {
    fail("ERR_GPU_BACKEND", `The backend ${backend} does not use GPUs. Omit --gpu or --backend.`);
  }
  if (gpu === false && backend === "webgpu") {
    fail("ERR_GPU_BACKEND", "The backend webgpu needs a GPU. Allow one or choose another backend.");
  }
  if (typeof gpu === "number" && !(Number.isInteger(gpu) && gpu >= 0)) {
    fail("ERR_GPU_INDEX", `Expected a GPU index of 0, 1, 2, …, got ${gpu}.`);
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    fail("ERR_THREADS", `Expected the number of threads to be a positive integer, got ${threads}.`);
  }
}
