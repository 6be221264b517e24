/** Wheels by pip: downloaded, verified, and unpacked without installing them. */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { makeFolders } from "@lockstep/files";
import { Unavailable } from "../backend/unavailable.ts";
import { runCommand } from "../host/command.ts";

/** sha256 of the wheels that were tried, by file name. */
const KNOWN_WHEELS: Record<string, string> = {
  "tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl":
    "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c",
};

/**
 * pip settings that do not apply to downloads. pip ignores empty ones. The user's choice of an index is kept.
 */
const PIP_SETTINGS = {
  PIP_REQUIRE_VIRTUALENV: "0",
  PIP_REQUIRE_HASHES: "0",
  PIP_REQUIREMENT: "",
  PIP_CONSTRAINT: "",
  PIP_PYTHON_VERSION: "",
  PIP_PLATFORM: "",
  PIP_ABI: "",
  PIP_IMPLEMENTATION: "",
  PIP_QUIET: "",
};

const MANUAL_REMEDY = "Or name the folder of a TensorFlow that is already there in LOCKSTEP_LIBTENSORFLOW.";

/**
 * Downloads wheels into `dir` with pip: for the Python that runs here, else for Python 3.12. Nothing of Python is
 * used from them, so any Python's will do.
 *
 * @param requirements for example `tensorflow-cpu==2.21.0`
 * @returns the wheels' files
 * @throws Unavailable ERR_NO_PYTHON, ERR_NO_PIP, ERR_WHEEL_DOWNLOAD or ERR_WHEEL_HASH
 */
export async function downloadWheels(
  requirements: readonly string[],
  dir: string,
  log: (line: string) => void,
): Promise<string[]> {
  const python = await findPip();
  makeFolders(dir);
  const options = ["--no-deps", "--only-binary=:all:", "--progress-bar", "off", "--retries", "2", "--dest", dir];
  const download = ["-m", "pip", "download", ...options];
  let output = "";
  for (const target of [[], ["--python-version", "3.12"]]) {
    const stopWatching = watchSize(dir, log);
    // With TMPDIR, pip's unfinished files lie in `dir` too: their growth is seen, and they go when it goes.
    const env = { ...process.env, ...PIP_SETTINGS, TMPDIR: dir };
    const result = await runCommand(python, [...download, ...target, ...requirements], env);
    stopWatching();
    const names = readdirSync(dir).filter((name) => name.endsWith(".whl"));
    if (result.status === 0 && names.length >= requirements.length) {
      for (const name of names) await verify(join(dir, name), name, log);
      return names.map((name) => join(dir, name));
    }
    output = result.stderr;
  }
  throw new Unavailable(
    "ERR_WHEEL_DOWNLOAD",
    `pip could not download ${requirements.join(", ")}: ${reasonIn(output)}`,
    `${remedyFor(output, python)} ${MANUAL_REMEDY}`,
  );
}

async function findPip(): Promise<string> {
  const pythons: string[] = [];
  for (const name of ["python3", "python"]) {
    if ((await runCommand(name, ["-c", "import pip"])).status === 0) return name;
    if ((await runCommand(name, ["--version"])).status === 0) pythons.push(name);
  }
  if (pythons.length === 0) {
    const remedy = `Install them (Debian, Ubuntu: apt install python3-pip). ${MANUAL_REMEDY}`;
    throw new Unavailable("ERR_NO_PYTHON", "TensorFlow is installed with pip, but python3 was not found.", remedy);
  }
  throw new Unavailable(
    "ERR_NO_PIP",
    `TensorFlow is installed with pip, but ${pythons[0]} has no pip.`,
    `Install it (${pythons[0]} -m ensurepip, or on Debian, Ubuntu: apt install python3-pip). ${MANUAL_REMEDY}`,
  );
}

const UNREACHABLE = /NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|SSLError/;

/** Extracts from pip's output the reason why it failed. */
function reasonIn(output: string): string {
  const network = UNREACHABLE.exec(output);
  if (network) return `its index cannot be reached (${network[0]}).`;
  const lines = output.trim().split("\n");
  const message = lines.findLast((line) => line.startsWith("ERROR")) ?? lines.at(-1) ?? "";
  return message.replace(/\.?$/, ".");
}

/** Returns the remedy for a failure of pip. */
function remedyFor(output: string, python: string): string {
  if (UNREACHABLE.test(output)) {
    return "Check the network, and the proxy or index that pip is to use (HTTPS_PROXY, PIP_INDEX_URL).";
  }
  if (/No space left|Permission denied|Read-only file system/.test(output)) {
    return "Free space there or see to the permissions, or name another folder in LOCKSTEP_CACHE.";
  }
  if (/No matching distribution/.test(output)) {
    if (process.env["PIP_NO_INDEX"]) return "PIP_NO_INDEX keeps pip from its index: unset it.";
    return `See which index pip uses (${python} -m pip config list): this one has no wheel for this machine.`;
  }
  return `Fix what pip reports; check its settings too (${python} -m pip config list).`;
}

async function verify(file: string, name: string, log: (line: string) => void): Promise<void> {
  const expected = KNOWN_WHEELS[name];
  if (expected === undefined) {
    log(`${name}: its sha256 is not recorded here, so what pip checked against its index has to do`);
    return;
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const found = hash.digest("hex");
  if (found === expected) return;
  throw new Unavailable(
    "ERR_WHEEL_HASH",
    `The downloaded ${name} is not the known one: its sha256 is ${found}, expected ${expected}.`,
    `It was discarded; see which index pip uses (pip config list). ${MANUAL_REMEDY}`,
  );
}

/** Logs how much has come every few seconds, until the returned function is called. */
function watchSize(dir: string, log: (line: string) => void): () => void {
  let shownBytes = 0;
  const timer = setInterval(() => {
    const bytes = sizeOf(dir);
    if (bytes > shownBytes) log(`downloaded ${Math.round(bytes / 1e6)} MB`);
    shownBytes = Math.max(bytes, shownBytes);
  }, 3000);
  return () => clearInterval(timer);
}

/** Bytes in all files under `dir`, some of which may vanish while we look. */
function sizeOf(dir: string): number {
  let bytes = 0;
  try {
    for (const name of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
      const stats = statSync(join(dir, name), { throwIfNoEntry: false });
      if (stats?.isFile()) bytes += stats.size;
    }
  } catch {
    return 0; // a folder vanished; the next look will tell
  }
  return bytes;
}

/**
 * Unpacks the members of a wheel, which is a zip archive, that match one of the shell patterns.
 *
 * @throws Unavailable ERR_WHEEL_UNPACK
 */
export async function unpackWheel(wheel: string, patterns: readonly string[], dir: string): Promise<void> {
  await runPython(
    "import fnmatch, sys, zipfile\n" +
      "z = zipfile.ZipFile(sys.argv[1])\n" +
      "z.extractall(sys.argv[2], [n for n in z.namelist() if any(fnmatch.fnmatchcase(n, p) for p in sys.argv[3:])])",
    [wheel, dir, ...patterns],
  );
}

/** Returns what a wheel requires under `pip install name[extra]`, as requirements for pip. */
export async function extraRequirements(wheel: string, extra: string): Promise<string[]> {
  const metadata = await runPython(
    "import sys, zipfile\n" +
      "z = zipfile.ZipFile(sys.argv[1])\n" +
      "print(z.read(next(n for n in z.namelist() if n.endswith('.dist-info/METADATA'))).decode())",
    [wheel],
  );
  const pattern = new RegExp(`^Requires-Dist: ([^;\\n]+); extra == ["']${extra}["']\\s*$`, "gm");
  return [...metadata.matchAll(pattern)].map(([, requirement]) => requirement!.trim());
}

async function runPython(program: string, args: string[]): Promise<string> {
  const result = await runCommand(await findPip(), ["-c", program, ...args]);
  if (result.status === 0) return result.stdout;
  throw new Unavailable(
    "ERR_WHEEL_UNPACK",
    `${args[0]} could not be unpacked: ${reasonIn(result.stderr)}`,
    "See whether the disk is full.",
  );
}
