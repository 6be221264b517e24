/** Finds a libtensorflow on this machine: the one in LOCKSTEP_LIBTENSORFLOW, Python's, or the system's. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Unavailable } from "../backend/unavailable.ts";
import { runCommand } from "../host/command.ts";

/** A libtensorflow on this machine: the library and the headers of its C interface. */
export interface Libtensorflow {
  /** The library's file, `libtensorflow_cc.so.2` (Python's wheels) or `libtensorflow.so.2` (the C library). */
  file: string;
  includeDir: string;
  /** The library's ready-made addon, if it has one. */
  addon?: string;
}

const LIBRARY_FILES = ["libtensorflow_cc.so.2", "lib/libtensorflow_cc.so.2", "lib/libtensorflow.so.2"];
const HEADER = "tensorflow/c/eager/c_api.h";

/** Returns the libtensorflow in `dir`, a folder like the Python package `tensorflow` or the C library's archive. */
export function libtensorflowIn(dir: string): Libtensorflow | undefined {
  const includeDir = join(dir, "include");
  const file = LIBRARY_FILES.map((name) => join(dir, name)).find((path) => existsSync(path));
  return file !== undefined && existsSync(join(includeDir, HEADER)) ? { file, includeDir } : undefined;
}

/**
 * Returns the libtensorflow in the folder LOCKSTEP_LIBTENSORFLOW, or undefined if that is not set.
 *
 * @throws Unavailable ERR_LIBTENSORFLOW if the folder has none
 */
export function namedLibtensorflow(): Libtensorflow | undefined {
  if (!process.env["LOCKSTEP_LIBTENSORFLOW"]) return undefined;
  const dir = resolve(process.env["LOCKSTEP_LIBTENSORFLOW"]);
  const library = libtensorflowIn(dir);
  if (library !== undefined) return library;
  throw new Unavailable(
    "ERR_LIBTENSORFLOW",
    `Expected the folder LOCKSTEP_LIBTENSORFLOW to contain include/${HEADER} and one of ${LIBRARY_FILES.join(", ")}, ` +
      `but ${dir} ${existsSync(dir) ? "does not" : "does not exist"}.`,
    "Set it to a Python package `tensorflow` or to an unpacked libtensorflow, or unset it.",
  );
}

/** Returns the libtensorflow of the package `tensorflow` that `python3` imports. */
export async function pythonsLibtensorflow(): Promise<Libtensorflow | undefined> {
  const program =
    "import importlib.util as u; s = u.find_spec('tensorflow'); print(s.submodule_search_locations[0] if s else '')";
  const { status, stdout } = await runCommand("python3", ["-c", program]);
  return status === 0 && stdout.trim() !== "" ? libtensorflowIn(stdout.trim()) : undefined;
}

/** Returns Python's libtensorflow if its build_info.py says that it was built for CUDA 12. */
export async function pythonsCudaLibtensorflow(): Promise<Libtensorflow | undefined> {
  const library = await pythonsLibtensorflow();
  const buildInfo = library && join(library.includeDir, "../python/platform/build_info.py");
  if (!buildInfo || !existsSync(buildInfo)) return undefined;
  const text = readFileSync(buildInfo, "utf8");
  return /'is_cuda_build', True/.test(text) && /'cuda_version', '12\./.test(text) ? library : undefined;
}

/** Returns the libtensorflow in /usr/local or /usr. */
export function systemLibtensorflow(): Libtensorflow | undefined {
  return libtensorflowIn("/usr/local") ?? libtensorflowIn("/usr");
}
