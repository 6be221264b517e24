/** Downloads wheels with pip, verifies and unpacks them, without installing them. */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { makeFolders } from "@lockstep/files";
import { Unavailable } from "../backend/unavailable.ts";
import { runCommand } from "../host/command.ts";

/** SHA-256 of the wheels that were tested, by file name. */
const KNOWN_WHEELS: Record<string, string> = {
  "tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl":
    "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c",
};

/** Overrides pip settings that must not affect a download; pip ignores empty ones. The user's index still applies. */
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

const MANUAL_REMEDY = "Or set LOCKSTEP_LIBTENSORFLOW to the folder of an installed TensorFlow.";

/**
 * Downloads wheels into `dir` with pip: for this machine's Python, else for Python 3.12. Their Python code is not used,
 * so the wheels of any Python version work.
 *
 * @param requirements for example `tensorflow-cpu==2.21.0`
 * @returns the paths of the wheels
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
    // With TMPDIR, pip's partial files are in `dir` too: their growth is logged, and they are removed with it.
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

/** Extracts the reason of a failure from pip's output. */
function reasonIn(output: string): string {
  const network = UNREACHABLE.exec(output);
  if (network) return `the package index cannot be reached (${network[0]}).`;
  const lines = output.trim().split("\n");
  const message = lines.findLast((line) => line.startsWith("ERROR")) ?? lines.at(-1) ?? "";
  return message.replace(/\.?$/, ".");
}

/** Returns the remedy for a failure of pip. */
function remedyFor(output: string, python: string): string {
  if (UNREACHABLE.test(output)) {
    return "Check the network, the proxy (HTTPS_PROXY) and pip's index (PIP_INDEX_URL).";
  }
  if (/No space left|Permission denied|Read-only file system/.test(output)) {
    return "Free disk space, fix the permissions, or set LOCKSTEP_CACHE to another folder.";
  }
  if (/No matching distribution/.test(output)) {
    if (process.env["PIP_NO_INDEX"]) return "Unset PIP_NO_INDEX, which keeps pip from its index.";
    return `Check which index pip uses (${python} -m pip config list): it has no wheel for this machine.`;
  }
  return `Fix what pip reports, and check its settings (${python} -m pip config list).`;
}

async function verify(file: string, name: string, log: (line: string) => void): Promise<void> {
  const expected = KNOWN_WHEELS[name];
  if (expected === undefined) {
    log(`${name}: no SHA-256 is recorded for it; relying on pip's check against its index`);
    return;
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const found = hash.digest("hex");
  if (found === expected) return;
  throw new Unavailable(
    "ERR_WHEEL_HASH",
    `Expected the downloaded ${name} to have the SHA-256 ${expected}, got ${found}.`,
    `It was discarded. Check which index pip uses (pip config list). ${MANUAL_REMEDY}`,
  );
}

/** Logs the downloaded megabytes every few seconds until the returned function is called. */
function watchSize(dir: string, log: (line: string) => void): () => void {
  let shownBytes = 0;
  const timer = setInterval(() => {
    const bytes = sizeOf(dir);
    if (bytes > shownBytes) log(`downloaded ${Math.round(bytes / 1e6)} MB`);
    shownBytes = Math.max(bytes, shownBytes);
  }, 3000);
  return () => clearInterval(timer);
}

/** Returns the bytes of all files under `dir`; files may vanish meanwhile. */
function sizeOf(dir: string): number {
  let bytes = 0;
  try {
    for (const name of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
      const stats = statSync(join(dir, name), { throwIfNoEntry: false });
      if (stats?.isFile()) bytes += stats.size;
    }
  } catch {
    return 0; // a folder vanished; the next call counts again
  }
  return bytes;
}

/**
 * Unpacks those members of a wheel, a zip archive, that match one of the shell patterns.
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

/** Returns pip requirements for what `pip install name[extra]` adds to a wheel. */
export async function extraRequirements(wheel: string, extra: string): Promise<string[]> {
  const metadata = await runPython(
    "import sys, zipfile\n" +
      "z = zipfile.ZipFile(sys.argv[1])\n" +
      "print(z.read(next(n for n in z.namelist() if n.endswith('.dist-info/METADATA'))).decode())",
    [wheel],
  );
  const pattern = new RegExp(`^Requires-Dist: ([^;\\n]+); extra == ["']${extra}["']\\s*$`, "gm");
  return [...metadata.matchAll(pattern)].map(([, requirement = ""]) => requirement.trim());
}

async function runPython(program: string, args: string[]): Promise<string> {
  const result = await runCommand(await findPip(), ["-c", program, ...args]);
  if (result.status === 0) return result.stdout;
  throw new Unavailable(
    "ERR_WHEEL_UNPACK",
    `${args[0]} could not be unpacked: ${reasonIn(result.stderr)}`,
    "Check whether the disk is full.",
  );
}
