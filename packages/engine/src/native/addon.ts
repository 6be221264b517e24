/** Builds the addon that connects tfjs-node with a libtensorflow. */
import { createHash } from "node:crypto";
import { readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Unavailable } from "../backend/unavailable.ts";
import { runCommand } from "../host/command.ts";
import { buildOnce, cacheDir } from "./cache.ts";
import type { Libtensorflow } from "./libtensorflow.ts";

const require = createRequire(import.meta.url);
const TFJS_NODE = dirname(require.resolve("@tensorflow/tfjs-node-gpu/package.json"));
const SOURCES = ["tfjs_backend.cc", "tfjs_binding.cc"].map((name) => join(TFJS_NODE, "binding", name));
const QUIET_SOURCE = fileURLToPath(new URL("../../src/native/quiet.cc", import.meta.url));

/**
 * Returns the file of the addon that connects tfjs-node with this libtensorflow, and compiles it into the cache if it
 * is not there. It uses only Node-API 8, so it works with every version of Node.
 *
 * @throws Unavailable ERR_NO_COMPILER or ERR_ADDON_BUILD
 */
export async function addonFor(library: Libtensorflow, log: (line: string) => void): Promise<string> {
  if (library.addon !== undefined) return library.addon;
  const dir = join(cacheDir(), `addon-${addonKey(library)}`);
  await buildOnce(dir, log, async (dir) => {
    const compiler = await findCompiler();
    log("compiling the addon of TensorFlow.js, which takes a few seconds");
    await compileAddon(compiler, library, dir);
  });
  return join(dir, "tfjs_binding.node");
}

/** Returns a key that changes with the library's path or content and with the addon's sources. */
function addonKey({ file }: Libtensorflow): string {
  const { size, mtimeMs } = statSync(file);
  const sources = [...SOURCES, QUIET_SOURCE].map((source) => readFileSync(source, "utf8"));
  const facts = [sources, realpathSync(file), size, mtimeMs, process.arch];
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16);
}

async function compileAddon(compiler: string, { file, includeDir }: Libtensorflow, dir: string): Promise<void> {
  const napi = join(dirname(require.resolve("node-api-headers/package.json")), "include");
  const options = ["-std=c++17", "-O2", "-fPIC", "-shared", "-DNAPI_VERSION=8", `-I${napi}`];
  await compile(compiler, [...options, QUIET_SOURCE, "-o", join(dir, "quiet.node")]);
  // Linking against an empty library of the same name takes 0.05 s; against the real one, 7 s.
  const soname = basename(file);
  const stub = join(dir, soname);
  writeFileSync(`${stub}.cc`, "");
  await compile(compiler, ["-shared", "-fPIC", `${stub}.cc`, `-Wl,-soname,${soname}`, "-o", stub]);
  const link = ["-Wl,--no-as-needed", stub, "-Xlinker", "-rpath", "-Xlinker", dirname(file)];
  const addon = join(dir, "tfjs_binding.node");
  await compile(compiler, [...options, `-I${includeDir}`, ...SOURCES, "-o", addon, ...link]);
  for (const leftover of [stub, `${stub}.cc`]) rmSync(leftover);
}

/**
 * Returns the command of a C++ compiler on this machine.
 *
 * @throws Unavailable ERR_NO_COMPILER
 */
export async function findCompiler(): Promise<string> {
  const candidates = [process.env["CXX"] ?? "", "g++", "c++", "clang++"].filter((name) => name !== "");
  for (const name of candidates) {
    if ((await runCommand(name, ["--version"])).status === 0) return name;
  }
  throw new Unavailable(
    "ERR_NO_COMPILER",
    `The addon of TensorFlow.js needs a C++ compiler, but none of ${candidates.join(", ")} runs.`,
    "Install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++), or set CXX to your compiler.",
  );
}

async function compile(compiler: string, args: string[]): Promise<void> {
  const { status, stderr } = await runCommand(compiler, args);
  if (status === 0) return;
  throw new Unavailable(
    "ERR_ADDON_BUILD",
    `The addon of TensorFlow.js did not compile. ${compiler} ${args.join(" ")} printed: ${stderr.trim()}`,
    "Try another compiler (CXX), or another libtensorflow (LOCKSTEP_LIBTENSORFLOW).",
  );
}
