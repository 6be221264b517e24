/** GPUs as WebGPU sees them: through Vulkan on Linux, Metal on macOS, Direct3D 12 on Windows. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Unavailable } from "../backend/unavailable.ts";
import { runCommand } from "../host/command.ts";

/** A GPU as WebGPU describes it. */
export interface Adapter {
  /** Index among the eligible adapters. */
  index: number;
  /** The driver's name for the device, for example "NVIDIA GeForce RTX 4070". */
  name: string;
  /** The driver's description of itself, with its version. */
  driver: string;
  /** The largest tensor that the device can bind, in bytes. */
  maxTensorBytes: number;
}

interface FoundAdapter extends Omit<Adapter, "index"> {
  /** True if it emulates a GPU on the CPU. */
  software: boolean;
}

/** Prefers fast adapters to those that save power. */
export const ADAPTER_OPTIONS = { powerPreference: "high-performance" } as const;

const INSTALL_REMEDY =
  process.platform === "linux"
    ? "Install the card's Vulkan driver and the loader (Debian, Ubuntu: apt install libvulkan1 mesa-vulkan-drivers; " +
      "NVIDIA's driver brings its own), and let this user open /dev/dri."
    : "Update the graphics driver.";

/**
 * Lists the eligible adapters, at least one. One that computes on the CPU (SwiftShader, lavapipe) is eligible only if
 * LOCKSTEP_ALLOW_SOFTWARE_GPU is 1.
 *
 * @throws Unavailable ERR_NO_WEBGPU, ERR_NO_ADAPTER or ERR_SOFTWARE_GPU
 */
export async function listAdapters(): Promise<Adapter[]> {
  const found = await queryAdapters();
  const allowed = process.env["LOCKSTEP_ALLOW_SOFTWARE_GPU"] === "1";
  const eligible = found.filter(({ software }) => allowed || !software);
  if (eligible.length > 0) return eligible.map(({ software: _, ...adapter }, index) => ({ index, ...adapter }));
  throw new Unavailable(
    "ERR_SOFTWARE_GPU",
    `WebGPU finds only ${found.map(({ name }) => name).join(", ")}, which computes on the CPU.`,
    `${INSTALL_REMEDY} For tests, set LOCKSTEP_ALLOW_SOFTWARE_GPU=1.`,
  );
}

/** Returns whether Dawn selects this adapter by its name: it takes the first whose name contains the given one. */
const isReachable = (adapter: Adapter, adapters: readonly Adapter[]) =>
  adapters.find(({ name }) => name.includes(adapter.name)) === adapter;

/**
 * Lists the adapters that Dawn can select by name, at least one.
 *
 * @throws Unavailable as `listAdapters`
 */
export async function reachableAdapters(): Promise<Adapter[]> {
  const adapters = await listAdapters();
  return adapters.filter((adapter) => isReachable(adapter, adapters));
}

/**
 * Returns the adapter with this index.
 *
 * @throws Unavailable as `listAdapters`, or ERR_GPU_INDEX
 */
export async function findAdapter(index: number): Promise<Adapter> {
  const adapters = await listAdapters();
  const adapter = adapters[index];
  const list = adapters.map((other) => `${other.index} (${other.name})`).join(", ");
  if (adapter === undefined) {
    throw new Unavailable("ERR_GPU_INDEX", `WebGPU has no GPU ${index}. Available: ${list}.`, "Choose one of these.");
  }
  if (isReachable(adapter, adapters)) return adapter;
  throw new Unavailable(
    "ERR_GPU_INDEX",
    `WebGPU on Node selects a GPU by its name only, so it cannot reach GPU ${index} of ${list}.`,
    "Start the worker in a container that has only this GPU.",
  );
}

/** Prints the adapters as JSON. Dawn lists all names in its error for a name that does not exist. */
const PRINT_ADAPTERS = `
  const { create } = await import(process.argv[1]);
  const ask = (name) => create(["adapter=" + name]).requestAdapter(${JSON.stringify(ADAPTER_OPTIONS)});
  const list = await ask("(none)").then(() => "", (error) => error.message);
  const adapters = [];
  for (const [, name] of list.matchAll(/name: '(.*)'$/gm)) {
    const { info, limits } = await ask(name);
    const maxTensorBytes = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
    adapters.push({ name, driver: info.description, maxTensorBytes, software: info.isFallbackAdapter });
  }
  console.log(JSON.stringify(adapters));`;

/** Lists all adapters in a child process, because drivers print to the terminal, and a broken one ends the process. */
async function queryAdapters(): Promise<FoundAdapter[]> {
  const node = ["--input-type=module", "--eval", PRINT_ADAPTERS];
  const { status, stdout, stderr } = await runCommand(process.execPath, [...node, webgpuModule()]);
  if (status !== 0) {
    const reason = /^\w*Error: (.*?)\.?$/m.exec(stderr)?.[1] ?? "a driver crashed";
    throw new Unavailable("ERR_NO_WEBGPU", `WebGPU cannot list GPUs: ${reason}.`, INSTALL_REMEDY);
  }
  const adapters = JSON.parse(stdout) as FoundAdapter[];
  if (adapters.length > 0) return adapters;
  const warning = /^Warning: (.*?)[.!]?$/m.exec(stderr)?.[1];
  throw new Unavailable("ERR_NO_ADAPTER", `WebGPU finds no GPU${warning ? ` (${warning})` : ""}.`, INSTALL_REMEDY);
}

/**
 * Returns the URL of the package webgpu.
 *
 * @throws Unavailable ERR_NO_WEBGPU
 */
function webgpuModule(): string {
  try {
    return pathToFileURL(createRequire(import.meta.url).resolve("webgpu")).href;
  } catch (error) {
    const reason = "The package webgpu, an optional dependency, is not installed.";
    throw new Unavailable("ERR_NO_WEBGPU", reason, "Run `pnpm install` with access to the npm registry.", {
      cause: error,
    });
  }
}
