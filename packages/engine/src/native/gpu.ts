/** Lists the NVIDIA GPUs of this machine, and checks that TensorFlow can use them. */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Unavailable } from "../backend/unavailable.ts";
import { runCommand } from "../host/command.ts";
import type { Libtensorflow } from "./libtensorflow.ts";

/** An NVIDIA GPU as its driver describes it. */
export interface Gpu {
  /** Index among the GPUs that this process may use. */
  index: number;
  /** Identifies the GPU in CUDA_VISIBLE_DEVICES. */
  uuid: string;
  name: string;
  /** The driver's version, for example "550.54.15". */
  driver: string;
  memoryBytes: number;
}

/** The oldest driver that runs CUDA 12 (NVIDIA, CUDA compatibility, "minor version compatibility"). */
const OLDEST_DRIVER = "525.60.13";

/** The libraries that TensorFlow 2.18 and later for CUDA 12 load on a GPU, and their dependencies. */
const CUDA_LIBRARIES = [
  "libcuda.so.1",
  "libcudart.so.12",
  "libcublas.so.12",
  "libcublasLt.so.12",
  "libcudnn.so.9",
  "libcufft.so.11",
  "libcusolver.so.11",
  "libcusparse.so.12",
  "libnvJitLink.so.12",
];

/**
 * Lists the GPUs that this process may use, at least one, in the order of CUDA_VISIBLE_DEVICES or of nvidia-smi.
 *
 * @throws Unavailable ERR_NO_NVIDIA, ERR_GPU_DRIVER, ERR_OLD_GPU_DRIVER or ERR_NO_GPU
 */
export async function listGpus(): Promise<Gpu[]> {
  const query = ["--query-gpu=index,uuid,name,driver_version,memory.total", "--format=csv,noheader,nounits"];
  const { status, stdout, stderr } = await runCommand("nvidia-smi", query);
  if (status === null) {
    throw new Unavailable(
      "ERR_NO_NVIDIA",
      "No NVIDIA driver was found: nvidia-smi is missing.",
      `Install the driver, version ${OLDEST_DRIVER} or later, or start the container with GPUs (docker run --gpus all).`,
    );
  }
  if (status !== 0) {
    throw new Unavailable(
      "ERR_GPU_DRIVER",
      `The NVIDIA driver does not respond. nvidia-smi printed: ${(stdout + stderr).trim()}.`,
      "Reinstall the driver, or restart the machine after an update of the driver.",
    );
  }
  const gpus = visibleGpus(stdout);
  const [first] = gpus;
  if (first === undefined) throw noGpu();
  assertDriver(first.driver);
  return gpus;
}

function visibleGpus(csv: string): Gpu[] {
  const lines = csv.split("\n").filter((line) => /^\d+,/.test(line));
  const all = lines.map((line) => {
    const [number, uuid = "", name = "", driver = "", memoryMib] = line.split(",").map((field) => field.trim());
    return { number, uuid, name, driver, memoryBytes: Number(memoryMib) * 2 ** 20 };
  });
  const names = process.env["CUDA_VISIBLE_DEVICES"]?.split(",").map((name) => name.trim());
  const visible = names?.flatMap((name) =>
    all.filter(({ number, uuid }) => number === name || (name.startsWith("GPU-") && uuid.startsWith(name))),
  );
  return (visible ?? all).map(({ number: _, ...gpu }, index) => ({ index, ...gpu }));
}

function noGpu(): Unavailable {
  const visible = process.env["CUDA_VISIBLE_DEVICES"];
  return new Unavailable(
    "ERR_NO_GPU",
    `No GPU is visible${visible === undefined ? "" : `: CUDA_VISIBLE_DEVICES is "${visible}"`}.`,
    "Compare the GPUs that nvidia-smi lists with CUDA_VISIBLE_DEVICES.",
  );
}

function assertDriver(driver: string): void {
  if (driver.localeCompare(OLDEST_DRIVER, "en", { numeric: true }) >= 0) return;
  throw new Unavailable(
    "ERR_OLD_GPU_DRIVER",
    `CUDA 12 needs version ${OLDEST_DRIVER} or later of the NVIDIA driver, got ${driver}.`,
    "Update the driver.",
  );
}

/**
 * Returns the GPU with this index.
 *
 * @throws Unavailable as `listGpus`, or ERR_GPU_INDEX
 */
export async function findGpu(index: number): Promise<Gpu> {
  const gpus = await listGpus();
  const gpu = gpus[index];
  if (gpu !== undefined) return gpu;
  throw new Unavailable(
    "ERR_GPU_INDEX",
    `GPU ${index} does not exist. Available: ${gpus.map((other) => `${other.index} (${other.name})`).join(", ")}.`,
    "Choose one of these.",
  );
}

/**
 * Returns the CUDA libraries that this TensorFlow finds neither beside itself, in LD_LIBRARY_PATH nor in the system.
 */
export async function missingCudaLibraries({ file }: Libtensorflow): Promise<string[]> {
  const nvidia = join(dirname(file), "../nvidia");
  const folders = [
    ...filesIn(nvidia).map((name) => join(nvidia, name, "lib")),
    ...(process.env["LD_LIBRARY_PATH"] ?? "").split(":").filter((dir) => dir !== ""),
  ];
  const path = `${process.env["PATH"]}:/usr/sbin:/sbin`;
  const { stdout } = await runCommand("ldconfig", ["-p"], { ...process.env, PATH: path });
  const found = new Set([...folders.flatMap(filesIn), ...stdout.split(/\s+/)]);
  return CUDA_LIBRARIES.filter((name) => !found.has(name));
}

function filesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** Checks that this TensorFlow finds the CUDA libraries. @throws Unavailable ERR_CUDA_LIBRARIES */
export async function assertCudaLibraries(library: Libtensorflow): Promise<void> {
  const missing = await missingCudaLibraries(library);
  if (missing.length === 0) return;
  throw new Unavailable(
    "ERR_CUDA_LIBRARIES",
    `TensorFlow in ${dirname(library.file)} cannot use the GPU: ${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing.`,
    missing.includes("libcuda.so.1")
      ? "libcuda.so.1 belongs to the NVIDIA driver: install it, or start the container with GPUs."
      : "Install them with `pip install tensorflow[and-cuda]`, or run `pnpm run doctor --fix` to download a TensorFlow with them.",
  );
}
