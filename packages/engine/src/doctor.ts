/** Checks everything on a machine that the choice of a backend depends on (`pnpm run doctor`). */
import { totalmem } from "node:os";
import { dirname } from "node:path";
import { type BackendName, describeGpu, type Engine, inGibibytes } from "./backend/engine.ts";
import { Unavailable } from "./backend/unavailable.ts";
import { chooseEngine } from "./choose.ts";
import { runCommand } from "./host/command.ts";
import { describeCores, usableCores } from "./host/cores.ts";
import { cpuName, instructionSet } from "./host/processor.ts";
import { matmulFlopsPerSecond } from "./matmul-speed.ts";
import { assertCudaLibraries, type Gpu, listGpus } from "./native/gpu.ts";
import { pythonsCudaLibtensorflow } from "./native/libtensorflow.ts";
import { cachedWheel, installCudaWheels } from "./native/provision.ts";
import { listAdapters } from "./webgpu/adapters.ts";

/** The result of one check. */
export interface Check {
  name: string;
  /** True if there is no problem. */
  ok: boolean;
  /** True for something that this machine lacks and does not need. */
  absent?: true;
  /** The value that the check found, with its unit. */
  value: string;
  problem?: string;
  /** The solution of the problem. */
  remedy?: string;
}

/** The results of all checks of a machine. */
export interface DoctorReport {
  checks: Check[];
  /** True if a backend works. */
  canTrain: boolean;
}

/** Options of `inspectMachine`. */
export interface InspectionOptions {
  /** Downloads missing parts of native TensorFlow and, on a machine with an NVIDIA GPU, of CUDA. */
  fix?: boolean;
  log?: (line: string) => void;
}

/** Runs all checks, and leaves the best backend running. */
export async function inspectMachine({ fix = false, log = () => {} }: InspectionOptions = {}): Promise<DoctorReport> {
  const webgpu = await webgpuCheck();
  const machine = [nodeCheck(), await pnpmCheck(), processorCheck(), memoryCheck(), ...(await gpuChecks(fix, log))];
  const backends: Check[] = [];
  let best: Engine | undefined;
  for (const name of [...webgpu.backends, "cpu", "wasm", "native"] as const) {
    const { engine, check } = await tryBackend(name, fix, log);
    best = engine ?? best;
    backends.unshift(check);
  }
  const checks = [...machine, webgpu.check, ...backends];
  if (best === undefined) return { checks, canTrain: false };
  await chooseEngine({ backend: best.backend }, { install: false });
  return { checks: [...checks, ...(await engineChecks(best))], canTrain: true };
}

const passed = (name: string, value: string): Check => ({ name, ok: true, value });

const absent = (name: string, value: string): Check => ({ ...passed(name, value), absent: true });

const failed = (name: string, value: string, problem: string, remedy: string): Check => ({
  name,
  ok: false,
  value,
  problem,
  ...(remedy && { remedy }),
});

/** Turns an `Unavailable` error into a failed check; throws any other error again. */
function failedWith(name: string, value: string, error: unknown): Check {
  if (!(error instanceof Unavailable)) throw error;
  return failed(name, value, error.reason, error.remedy);
}

function nodeCheck(): Check {
  const version = process.versions.node;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return passed("Node", version);
  return failed("Node", version, "Lockstep needs Node 20.19 or later.", "Install it from https://nodejs.org.");
}

async function pnpmCheck(): Promise<Check> {
  const running = /\bpnpm\/(\S+)/.exec(process.env["npm_config_user_agent"] ?? "")?.[1];
  const version = running ?? (await runCommand("pnpm", ["--version"])).stdout.trim();
  return version ? passed("pnpm", version) : absent("pnpm", "not installed; `npx -y pnpm@10` works too");
}

function processorCheck(): Check {
  const value = `${cpuName()}, ${describeCores(usableCores())}, ${instructionSet()}`;
  if (instructionSet() !== "SSE") return passed("processor", value);
  return failed(
    "processor",
    value,
    "The processor lacks AVX, which native TensorFlow needs.",
    "Train with --backend wasm, or on another machine.",
  );
}

function memoryCheck(): Check {
  const availableBytes = process.availableMemory();
  const value = `${inGibibytes(availableBytes)} free of ${inGibibytes(totalmem())}`;
  if (availableBytes >= 2 * 2 ** 30) return passed("memory", value);
  return failed(
    "memory",
    value,
    "Training AlexNet needs about 2 GiB.",
    "Close other programs or set a smaller --max-rows.",
  );
}

/** Checks the NVIDIA driver and a TensorFlow with CUDA for it. A machine without an NVIDIA GPU needs neither. */
async function gpuChecks(fix: boolean, log: (line: string) => void): Promise<Check[]> {
  let gpus: Gpu[];
  try {
    gpus = await listGpus();
  } catch (error) {
    if (error instanceof Unavailable && error.code === "ERR_NO_NVIDIA")
      return [absent("NVIDIA driver", "not installed; only an NVIDIA GPU needs it")];
    return [failedWith("NVIDIA driver", "not usable", error)];
  }
  const list = gpus.map(({ index, ...gpu }) => `${index}: ${describeGpu(gpu)}`);
  return [passed("NVIDIA driver", list.join("; ")), await cudaCheck(fix, log)];
}

/** Checks the GPUs that WebGPU finds. A machine may have none. */
async function webgpuCheck(): Promise<{ check: Check; backends: "webgpu"[] }> {
  const name = "WebGPU";
  try {
    const list = (await listAdapters()).map(({ index, ...adapter }) => `${index}: ${describeGpu(adapter)}`);
    return { check: passed(name, list.join("; ")), backends: ["webgpu"] };
  } catch (error) {
    const hasNone = error instanceof Unavailable && ["ERR_NO_ADAPTER", "ERR_SOFTWARE_GPU"].includes(error.code);
    return { check: hasNone ? absent(name, error.reason) : failedWith(name, "not usable", error), backends: [] };
  }
}

async function cudaCheck(fix: boolean, log: (line: string) => void): Promise<Check> {
  try {
    const found = cachedWheel("cuda") ?? (await pythonsCudaLibtensorflow());
    const library = found ?? (fix ? await installCudaWheels(log) : undefined);
    if (library === undefined) {
      const remedy = "Run `pnpm run doctor --fix` to download it (about 3 GB).";
      return failed("CUDA", "not installed", "TensorFlow with CUDA is not installed.", remedy);
    }
    await assertCudaLibraries(library);
    return passed("CUDA", `TensorFlow and the CUDA libraries in ${dirname(library.file)}`);
  } catch (error) {
    return failedWith("CUDA", "not usable", error);
  }
}

async function tryBackend(backend: BackendName, fix: boolean, log: (line: string) => void) {
  const name = `backend ${backend}`;
  try {
    const engine = await chooseEngine({ backend, ...(fix && { log }) }, { install: fix });
    return { engine, check: passed(name, `${engine.libraryVersion} on ${engine.device.name}`) };
  } catch (error) {
    return { check: failedWith(name, "not usable", error) };
  }
}

async function engineChecks({ backend, libraryVersion, threads }: Engine): Promise<Check[]> {
  return [
    backend === "native" ? passed("libtensorflow", libraryVersion) : absent("libtensorflow", "not used"),
    passed("threads", String(threads)),
    passed(
      "matmul",
      `${((await matmulFlopsPerSecond(backend === "native" ? 2048 : 256)) / 1e9).toFixed(1)} GFLOP/s on ${backend}`,
    ),
  ];
}
