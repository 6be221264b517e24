/** Brings a libtensorflow into the cache. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Unavailable } from "../backend/unavailable.ts";
import { findCompiler } from "./addon.ts";
import { buildOnce, cacheDir } from "./cache.ts";
import { type Libtensorflow, libtensorflowIn } from "./libtensorflow.ts";
import { downloadWheels, extraRequirements, unpackWheel } from "./pip.ts";
import { fetchTfjsLibrary } from "./tfjs-download.ts";

/** TensorFlow's version that is provisioned. Its C interface is stable, so the addon builds against any of 2.x. */
export const TENSORFLOW_VERSION = "2.21.0";

/** The version that tfjs-node 4.22 itself asks for. */
const TFJS_LIBRARY_VERSION = "2.9.1";

/** All that is needed of a wheel: two libraries, and the headers that the addon's sources include. */
const WHEEL_MEMBERS = [
  "libtensorflow_cc.so.2",
  "libtensorflow_framework.so.2",
  "include/tensorflow/c/*.h",
  "include/tensorflow/core/platform/ctstring*.h",
  "include/tsl/platform/ctstring*.h",
  "include/xla/tsl/c/tsl_status.h",
].map((name) => `tensorflow/${name}`);

const cacheEntry = (version: string, variant: string) => join(cacheDir(), `libtensorflow-${version}-${variant}`);

/** Returns the libtensorflow from a wheel in the cache, if it is there. */
export function cachedWheel(variant: "cpu" | "cuda"): Libtensorflow | undefined {
  return libtensorflowIn(join(cacheEntry(TENSORFLOW_VERSION, variant), "tensorflow"));
}

/** Returns the libtensorflow that tfjs-node comes with, and its addon, if they are in the cache. */
export function cachedTfjsLibrary(): Libtensorflow | undefined {
  const dir = cacheEntry(TFJS_LIBRARY_VERSION, "cpu");
  const library = libtensorflowIn(join(dir, "deps"));
  const addon = join(dir, "lib/napi-v8/tfjs_binding.node");
  return library && existsSync(addon) ? { ...library, addon } : library;
}

/** The library from the wheel `tensorflow-cpu`. */
export async function installCpuWheel(log: (line: string) => void): Promise<Libtensorflow> {
  await findCompiler(); // without one the library would be of no use
  const dir = cacheEntry(TENSORFLOW_VERSION, "cpu");
  await buildOnce(dir, log, async (temporaryDir) => {
    log(`downloading TensorFlow ${TENSORFLOW_VERSION} for the CPU with pip: 270 MB, 850 MB unpacked in ${cacheDir()}`);
    const download = join(temporaryDir, "download");
    const [wheel] = await downloadWheels([`tensorflow-cpu==${TENSORFLOW_VERSION}`], download, log);
    log("unpacking it");
    await unpackWheel(wheel!, WHEEL_MEMBERS, temporaryDir);
    assertFound(libtensorflowIn(join(temporaryDir, "tensorflow")), wheel!);
    rmSync(download, { recursive: true });
  });
  return assertFound(cachedWheel("cpu"), dir);
}

/**
 * The library from the wheel `tensorflow`, and the CUDA libraries that it asks for. They lie as in Python's
 * site-packages, which is where the library's run path looks for them.
 */
export async function installCudaWheels(log: (line: string) => void): Promise<Libtensorflow> {
  await findCompiler();
  const dir = cacheEntry(TENSORFLOW_VERSION, "cuda");
  await buildOnce(dir, log, async (temporaryDir) => {
    log(`downloading TensorFlow ${TENSORFLOW_VERSION} with CUDA by pip: about 3 GB, more unpacked, in ${cacheDir()}`);
    const download = join(temporaryDir, "download");
    const [wheel] = await downloadWheels([`tensorflow==${TENSORFLOW_VERSION}`], download, log);
    const cudaWheels = await downloadWheels(await extraRequirements(wheel!, "and-cuda"), join(download, "cuda"), log);
    log(`unpacking ${cudaWheels.length + 1} wheels`);
    await unpackWheel(wheel!, WHEEL_MEMBERS, temporaryDir);
    assertFound(libtensorflowIn(join(temporaryDir, "tensorflow")), wheel!);
    for (const cudaWheel of cudaWheels) await unpackWheel(cudaWheel, ["nvidia/*/lib/*"], temporaryDir);
    rmSync(download, { recursive: true });
  });
  return assertFound(cachedWheel("cuda"), dir);
}

/** The library that tfjs-node's own installation takes, with its ready-made addon where there is no compiler. */
export async function installTfjsLibrary(log: (line: string) => void): Promise<Libtensorflow> {
  const hasCompiler = await findCompiler().then(
    () => true,
    () => false,
  );
  const dir = cacheEntry(TFJS_LIBRARY_VERSION, "cpu");
  await buildOnce(dir, log, (temporaryDir) =>
    fetchTfjsLibrary(TFJS_LIBRARY_VERSION, temporaryDir, { withAddon: !hasCompiler, log }),
  );
  return assertFound(cachedTfjsLibrary(), dir);
}

function assertFound(library: Libtensorflow | undefined, where: string): Libtensorflow {
  if (library !== undefined) return library;
  const remedy = `Remove ${cacheDir()} to have all fetched again, or name another one in LOCKSTEP_LIBTENSORFLOW.`;
  throw new Unavailable("ERR_LIBTENSORFLOW", `${where} lacks files of libtensorflow.`, remedy);
}
