/** Downloads a libtensorflow into the cache. */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { at } from "@lockstep/errors";
import { Unavailable } from "../backend/unavailable.ts";
import { findCompiler } from "./addon.ts";
import { buildOnce, cacheDir } from "./cache.ts";
import { type Libtensorflow, libtensorflowIn } from "./libtensorflow.ts";
import { downloadWheels, extraRequirements, unpackWheel } from "./pip.ts";
import { fetchTfjsLibrary } from "./tfjs-download.ts";

/** Version of TensorFlow to download. Its C interface is stable, so the addon builds against any 2.x. */
const TENSORFLOW_VERSION = "2.21.0";

/** Version that tfjs-node 4.22 itself downloads. */
const TFJS_LIBRARY_VERSION = "2.9.1";

/** The members of a wheel that are unpacked: two libraries, and the headers that the addon's sources include. */
const WHEEL_MEMBERS = [
  "libtensorflow_cc.so.2",
  "libtensorflow_framework.so.2",
  "include/tensorflow/c/*.h",
  "include/tensorflow/core/platform/ctstring*.h",
  "include/tsl/platform/ctstring*.h",
  "include/xla/tsl/c/tsl_status.h",
].map((name) => `tensorflow/${name}`);

const cacheEntry = (version: string, variant: string) => join(cacheDir(), `libtensorflow-${version}-${variant}`);

/** Returns the libtensorflow from a wheel in the cache, if any. */
export function cachedWheel(variant: "cpu" | "cuda"): Libtensorflow | undefined {
  return libtensorflowIn(join(cacheEntry(TENSORFLOW_VERSION, variant), "tensorflow"));
}

/** Returns tfjs-node's own libtensorflow, with its ready-made addon, if they are in the cache. */
export function cachedTfjsLibrary(): Libtensorflow | undefined {
  const dir = cacheEntry(TFJS_LIBRARY_VERSION, "cpu");
  const library = libtensorflowIn(join(dir, "deps"));
  const addon = join(dir, "lib/napi-v8/tfjs_binding.node");
  return library && existsSync(addon) ? { ...library, addon } : library;
}

/** Returns the library from the wheel `tensorflow-cpu`, and downloads it if necessary. */
export async function installCpuWheel(log: (line: string) => void): Promise<Libtensorflow> {
  await findCompiler(); // without a compiler the library would be useless
  const dir = cacheEntry(TENSORFLOW_VERSION, "cpu");
  await buildOnce(dir, log, async (temporaryDir) => {
    log(`downloading TensorFlow ${TENSORFLOW_VERSION} for the CPU with pip: 270 MB, 850 MB unpacked in ${cacheDir()}`);
    const download = join(temporaryDir, "download");
    const wheel = at(await downloadWheels([`tensorflow-cpu==${TENSORFLOW_VERSION}`], download, log), 0);
    log("unpacking TensorFlow");
    await unpackWheel(wheel, WHEEL_MEMBERS, temporaryDir);
    assertFound(libtensorflowIn(join(temporaryDir, "tensorflow")), wheel);
    rmSync(download, { recursive: true });
  });
  return assertFound(cachedWheel("cpu"), dir);
}

/**
 * Returns the library from the wheel `tensorflow`, and downloads it with its CUDA libraries if necessary. They are laid
 * out as in Python's site-packages, where the library's run path expects them.
 */
export async function installCudaWheels(log: (line: string) => void): Promise<Libtensorflow> {
  await findCompiler();
  const dir = cacheEntry(TENSORFLOW_VERSION, "cuda");
  await buildOnce(dir, log, async (temporaryDir) => {
    log(
      `downloading TensorFlow ${TENSORFLOW_VERSION} and CUDA with pip: about 3 GB, and more once unpacked in ${cacheDir()}`,
    );
    const download = join(temporaryDir, "download");
    const wheel = at(await downloadWheels([`tensorflow==${TENSORFLOW_VERSION}`], download, log), 0);
    const cudaWheels = await downloadWheels(await extraRequirements(wheel, "and-cuda"), join(download, "cuda"), log);
    log(`unpacking ${cudaWheels.length + 1} wheels`);
    await unpackWheel(wheel, WHEEL_MEMBERS, temporaryDir);
    assertFound(libtensorflowIn(join(temporaryDir, "tensorflow")), wheel);
    for (const cudaWheel of cudaWheels) await unpackWheel(cudaWheel, ["nvidia/*/lib/*"], temporaryDir);
    rmSync(download, { recursive: true });
  });
  return assertFound(cachedWheel("cuda"), dir);
}

/** Returns tfjs-node's own library, downloaded if necessary; with its ready-made addon if there is no compiler. */
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
  const remedy = `Remove ${cacheDir()} to download everything again, or set LOCKSTEP_LIBTENSORFLOW to another folder.`;
  throw new Unavailable("ERR_LIBTENSORFLOW", `${where} lacks files of libtensorflow.`, remedy);
}
