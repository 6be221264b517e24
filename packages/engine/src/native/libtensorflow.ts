/** Finds a libtensorflow on this machine: the one that is named, Python's, or the system's. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Unavailable } from "../backend/unavailable.ts";
import { runCommand } from "../host/command.ts";

/** A libtensorflow on this machine: the library and the headers of its C interface. */
export interface Libtensorflow {
  /** The library's file, `libtensorflow_cc.so.2` (Python's wheels) or `libtensorflow.so.2` (the C library). */
  file: string;
  includeDir: string;
  /** An addon that came with it, and so needs no compiler. */
  addon?: string;
}

const LIBRARY_FILES = ["libtensorflow_cc.so.2", "lib/libtensorflow_cc.so.2", "lib/libtensorflow.so.2"];
const HEADER = "tensorflow/c/eager/c_api.h";

/** The libtensorflow in `dir`, which is laid out like a Python package `tensorflow` or like the C library's archive. */
export function libtensorflowIn(dir: string): Libtensorflow | undefined {
  const includeDir = join(dir, "include");
  const file = LIBRARY_FILES.map((name) => join(dir, name)).find((path) => existsSync(path));
  return file !== undefined && existsSync(join(includeDir, HEADER)) ? { file, includeDir } : undefined;
}

/**
 * The libtensorflow that the user named in LOCKSTEP_LIBTENSORFLOW.
 *
 * @throws Unavailable ERR_LIBTENSORFLOW if nothing usable is there
 */
export function namedLibtensorflow(): Libtensorflow | undefined {
  if (!process.env["LOCKSTEP_LIBTENSORFLOW"]) return undefined;
  const dir = resolve(process.env["LOCKSTEP_LIBTENSORFLOW"]);
  const library = libtensorflowIn(dir);
  if (library !== undefined) return library;
  throw new Unavailable(
    "ERR_LIBTENSORFLOW",
    `LOCKSTEP_LIBTENSORFLOW is ${dir}, where there is ${existsSync(dir) ? "no libtensorflow" : "nothing"}: ` +
      `expected one of ${LIBRARY_FILES.join(", ")}, and include/${HEADER}.`,
    "Name a folder with these files (a Python package `tensorflow`, or an unpacked libtensorflow), or unset it.",
  );
}

/** The `tensorflow` that is installed for the Python that runs here. */
export async function pythonsLibtensorflow(): Promise<Libtensorflow | undefined> {
  const program =
    "import importlib.util as u; s = u.find_spec('tensorflow'); print(s.submodule_search_locations[0] if s else '')";
  const { status, stdout } = await runCommand("python3", ["-c", program]);
  return status === 0 && stdout.trim() !== "" ? libtensorflowIn(stdout.trim()) : undefined;
}

/** The same if it was built for CUDA 12, by its own account. */
export async function pythonsCudaLibtensorflow(): Promise<Libtensorflow | undefined> {
  const library = await pythonsLibtensorflow();
  const buildInfo = library && join(library.includeDir, "../python/platform/build_info.py");
  if (!buildInfo || !existsSync(buildInfo)) return undefined;
  const text = readFileSync(buildInfo, "utf8");
  return /'is_cuda_build', True/.test(text) && /'cuda_version', '12\./.test(text) ? library : undefined;
}

/** The libtensorflow that is installed for the whole machine. */
export function systemLibtensorflow(): Libtensorflow | undefined {
  return libtensorflowIn("/usr/local") ?? libtensorflowIn("/usr");
}
