/** Starts native TensorFlow: tries each libtensorflow in turn, on a GPU if one is required or ready. */
import { isGpuRequired } from "../backend/engine.ts";
import { tf } from "../backend/tf.ts";
import { Unavailable } from "../backend/unavailable.ts";
import { usableCores } from "../host/cores.ts";
import { instructionSet } from "../host/processor.ts";
import { addonFor } from "./addon.ts";
import { type Claim, claimGpu, sharedLine } from "./claim-gpu.ts";
import { assertCudaLibraries, findGpu, type Gpu, listGpus } from "./gpu.ts";
import {
  type Libtensorflow,
  namedLibtensorflow,
  pythonsCudaLibtensorflow,
  pythonsLibtensorflow,
  systemLibtensorflow,
} from "./libtensorflow.ts";
import { loadNative } from "./loader.ts";
import { cachedTfjsLibrary, cachedWheel, installCpuWheel, installCudaWheels, installTfjsLibrary } from "./provision.ts";

/** Options of `startNative`. */
export interface NativeOptions {
  /** `true` or an index requires a GPU, `false` uses none, undefined uses one if all that it needs is installed. */
  gpu: boolean | number | undefined;
  /** Threads, 1 or more; undefined means TF_NUM_INTRAOP_THREADS, else one for each core in the CPU quota. */
  threads: number | undefined;
  /** Allows downloads. */
  install: boolean;
  log: (line: string) => void;
  /** Called with the error of each candidate that was skipped. */
  onSkip: (obstacle: Unavailable) => void;
}

/** The libtensorflow that was loaded. */
export interface Native {
  libraryVersion: string;
  /** The library's file. */
  file: string;
  /** Threads that share the work of one op. */
  threads: number;
  /** CPU quota in cores, if it limits the threads. */
  quota?: number;
  /** The GPU that TensorFlow runs on; absent on the CPU. */
  gpu?: Gpu;
}

/** A place of a library, for a GPU or for the CPU. `find` returns undefined if there is nothing to report. */
interface Candidate {
  gpu?: Gpu;
  find: () => Promise<Libtensorflow | undefined>;
}

/** The members of tfjs-node's backend beyond the interface of TensorFlow.js. */
interface NodeBackend {
  binding: { TF_Version: string };
  isUsingGpuDevice: boolean;
}

let started: Native | undefined;

/**
 * Loads native TensorFlow from the first candidate that works and makes it the backend of TensorFlow.js. A process
 * loads it once: a second call returns the same.
 *
 * @throws Unavailable with the last reason, if no candidate works
 */
export async function startNative(options: NativeOptions): Promise<Native> {
  started ??= await load(options);
  await tf.setBackend("tensorflow");
  if (isGpuRequired(options.gpu) && started.gpu === undefined) throw gpuUnused(started.file);
  return started;
}

async function load(options: NativeOptions): Promise<Native> {
  assertSupportedMachine();
  const claim = await claimCard(options);
  let native: Native | undefined;
  try {
    native = await loadFor(claim?.card, options);
  } finally {
    if (native?.gpu === undefined) claim?.release();
    else if (claim?.isShared) options.log(sharedLine(native.gpu.name));
  }
  return native;
}

async function loadFor(card: Gpu | undefined, { gpu, threads, install, log, onSkip }: NativeOptions): Promise<Native> {
  const requestedThreads = threads ?? (Number(process.env["TF_NUM_INTRAOP_THREADS"]) || undefined);
  const { usable, quota } = usableCores();
  // TensorFlow's own default is one thread for each core: it ignores quotas.
  const threadSetting = threads ?? (requestedThreads === undefined && quota !== undefined ? usable : undefined);
  if (threadSetting !== undefined) process.env["TF_NUM_INTRAOP_THREADS"] = String(threadSetting);
  const { library, way: candidate } = await loadFirstUsable(
    candidates(card, isGpuRequired(gpu), install, log),
    log,
    onSkip,
  );
  await tf.setBackend("tensorflow");
  const { binding, isUsingGpuDevice } = tf.backend() as unknown as NodeBackend;
  const native = {
    libraryVersion: binding.TF_Version,
    file: library.file,
    threads: requestedThreads ?? usable,
    ...(requestedThreads === undefined && quota !== undefined && { quota }),
  };
  if (candidate.gpu === undefined) return native;
  if (isUsingGpuDevice) return { ...native, gpu: candidate.gpu };
  if (!isGpuRequired(gpu)) onSkip(gpuUnused(library.file));
  return native;
}

function assertSupportedMachine(): void {
  const here = `${process.platform} ${process.arch}`;
  if (here !== "linux x64") {
    throw new Unavailable("ERR_PLATFORM", `Native TensorFlow is available on Linux x64 only; this is ${here}.`, "");
  }
  if (instructionSet() !== "SSE") return;
  throw new Unavailable("ERR_NO_AVX", "Native TensorFlow needs a processor with AVX, which this one lacks.", "");
}

/** Claims the GPU with the given index, or one that no other process uses. Returns undefined to use the CPU. */
async function claimCard({ gpu, onSkip }: NativeOptions): Promise<Claim<Gpu> | undefined> {
  if (gpu === false) return undefined;
  try {
    return await claimGpu(typeof gpu === "number" ? [await findGpu(gpu)] : await listGpus(), ({ uuid }) => uuid);
  } catch (error) {
    if (isGpuRequired(gpu) || !(error instanceof Unavailable)) throw error;
    // A machine without NVIDIA's driver, or with hidden GPUs, is normal.
    if (error.code !== "ERR_NO_NVIDIA" && error.code !== "ERR_NO_GPU") onSkip(error);
    return undefined;
  }
}

function candidates(
  card: Gpu | undefined,
  gpuRequired: boolean,
  install: boolean,
  log: (line: string) => void,
): Candidate[] {
  if (process.env["LOCKSTEP_LIBTENSORFLOW"]) {
    return [{ ...(card && { gpu: card }), find: async () => namedLibtensorflow() }];
  }
  const onGpu = card === undefined ? [] : cudaCandidates(card, gpuRequired && install, log);
  return gpuRequired ? onGpu : [...onGpu, ...cpuCandidates(install, log)];
}

function cudaCandidates(gpu: Gpu, install: boolean, log: (line: string) => void): Candidate[] {
  return [
    { gpu, find: async () => withCuda(cachedWheel("cuda")) },
    { gpu, find: async () => withCuda(await pythonsCudaLibtensorflow()) },
    { gpu, find: async () => (install ? withCuda(await installCudaWheels(log)) : Promise.reject(noCuda(gpu))) },
  ];
}

function cpuCandidates(install: boolean, log: (line: string) => void): Candidate[] {
  return [
    { find: async () => cachedWheel("cpu") ?? cachedWheel("cuda") ?? cachedTfjsLibrary() },
    { find: pythonsLibtensorflow },
    { find: async () => systemLibtensorflow() },
    ...(install ? [{ find: () => installCpuWheel(log) }, { find: () => installTfjsLibrary(log) }] : []),
  ];
}

async function withCuda(library: Libtensorflow | undefined): Promise<Libtensorflow | undefined> {
  if (library) await assertCudaLibraries(library);
  return library;
}

async function loadFirstUsable(candidates: Candidate[], log: (line: string) => void, onSkip: NativeOptions["onSkip"]) {
  const obstacles: Unavailable[] = [];
  for (const candidate of candidates) {
    try {
      const library = await candidate.find();
      if (library === undefined) continue;
      const addon = await addonFor(library, log);
      withVisibleGpu(candidate.gpu, () => loadNative(addon));
      obstacles.forEach(onSkip);
      return { way: candidate, library };
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      obstacles.push(error);
      if (error.code === "ERR_NOEXEC") break; // every other candidate's addon would be on the same file system
    }
  }
  const last = obstacles.pop();
  obstacles.forEach(onSkip);
  throw (
    last ??
    new Unavailable(
      "ERR_NO_LIBTENSORFLOW",
      "TensorFlow is not installed.",
      "Run `pnpm run doctor --fix` to install it.",
    )
  );
}

/**
 * Loads the library with one GPU or none visible: CUDA looks for GPUs at that moment, so each worker of a machine can
 * have its own. Afterwards the variable has the user's value again, for child processes.
 */
function withVisibleGpu(gpu: Gpu | undefined, load: () => void): void {
  const { CUDA_VISIBLE_DEVICES: visible } = process.env;
  process.env["CUDA_VISIBLE_DEVICES"] = gpu?.uuid ?? "-1";
  // Otherwise TensorFlow allocates nearly all of the memory at once, and a second worker on the GPU gets none.
  process.env["TF_FORCE_GPU_ALLOW_GROWTH"] ??= "true";
  // Otherwise factors are rounded to 10 bits (TF32), and a GPU disagrees with the CPUs that it trains with.
  process.env["NVIDIA_TF32_OVERRIDE"] ??= "0";
  // Otherwise each process picks cuDNN's fastest kernels by measuring, and some kernels add in any order.
  if (gpu) process.env["TF_DETERMINISTIC_OPS"] ??= "1";
  try {
    load();
  } finally {
    if (visible === undefined) delete process.env["CUDA_VISIBLE_DEVICES"];
    else process.env["CUDA_VISIBLE_DEVICES"] = visible;
  }
}

function noCuda({ name }: Gpu): Unavailable {
  const remedy = "Use `--gpu` or `pnpm run doctor --fix` to download one (about 3 GB).";
  return new Unavailable("ERR_NO_CUDA", `${name} is not used: no working TensorFlow with CUDA was found.`, remedy);
}

function gpuUnused(file: string): Unavailable {
  const remedy = "Set TF_CPP_MIN_LOG_LEVEL=0 to see TensorFlow's log.";
  return new Unavailable("ERR_GPU_UNUSED", `TensorFlow from ${file} does not use the GPU.`, remedy);
}
