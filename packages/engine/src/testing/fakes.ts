/** Fakes for tests: programs on PATH that act as Python, a compiler or nvidia-smi; and processes that start engines. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished, vi } from "vitest";

/** True on the platform of native TensorFlow. */
export const onLinuxX64 = process.platform === "linux" && process.arch === "x64";

/** Creates an empty folder, which the system removes eventually. */
export function tempDir(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), "lockstep-engine-")));
}

/**
 * Fakes a machine with nothing installed: an empty PATH, cache and environment until the end of the test.
 *
 * @returns the folder on its PATH, for `fakeProgram`
 */
export function emptyMachine(): string {
  const dir = tempDir();
  mkdirSync(join(dir, "bin"));
  vi.stubEnv("PATH", join(dir, "bin"));
  vi.stubEnv("LOCKSTEP_CACHE", join(dir, "cache"));
  vi.stubEnv("TFJS_NODE_CDN_STORAGE", "http://127.0.0.1:1/");
  vi.stubEnv("VK_ICD_FILENAMES", join(dir, "no-vulkan-driver.json"));
  const variables = ["CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "LOCKSTEP_ALLOW_SOFTWARE_GPU", "VK_DRIVER_FILES"];
  for (const name of ["LOCKSTEP_LIBTENSORFLOW", "CXX", ...variables]) {
    vi.stubEnv(name, undefined);
  }
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  return join(dir, "bin");
}

/**
 * Runs a JavaScript program that starts the built engine in a child process, where nothing is loaded, and returns its
 * output.
 */
export function runInProcess(program: string, env: NodeJS.ProcessEnv = {}, nodeOptions: readonly string[] = []) {
  const script = join(tempDir(), "program.mjs");
  const index = new URL("../../dist/index.js", import.meta.url).href;
  writeFileSync(script, `import { readBack, startEngine, tf } from ${JSON.stringify(index)};\n${program}`);
  return spawnSync(process.execPath, [...nodeOptions, script], { env: { ...process.env, ...env }, encoding: "utf8" });
}

/** Writes a program in JavaScript; `args` are its arguments. */
export function fakeProgram(bin: string, name: string, script: string): void {
  const file = join(bin, name);
  writeFileSync(
    file,
    `#!${process.execPath}\nconst fs = require("node:fs");\nconst args = process.argv.slice(2);\n${script}`,
  );
  chmodSync(file, 0o755);
}

/** Writes a compiler whose output is a file with the word `compiled`. */
export const fakeCompiler = (bin: string) =>
  fakeProgram(bin, "g++", `if (args[0] !== "--version") fs.writeFileSync(args[args.indexOf("-o") + 1], "compiled");`);

/**
 * Writes a Python whose pip finds its wheels in the folder `index`, by names that start with the requirement's name.
 * Each download appends its arguments to `index/downloads`, one line each.
 */
export function fakePython(bin: string, index: string): void {
  fakeProgram(
    bin,
    "python3",
    `
    const path = require("node:path");
    const { unzipSync } = require(${JSON.stringify(createRequire(import.meta.url).resolve("fflate"))});
    const index = ${JSON.stringify(index)};
    if (args[0] === "-c") {
      const [program, wheel, dir, ...patterns] = args.slice(1);
      if (wheel === undefined) process.exit(0); // it has pip, and no tensorflow
      const members = unzipSync(fs.readFileSync(wheel));
      if (program.includes("METADATA")) {
        const name = Object.keys(members).find((name) => name.endsWith("METADATA"));
        process.stdout.write(Buffer.from(members[name]));
        process.exit(0);
      }
      const wanted = patterns.map((pattern) => new RegExp("^" + pattern.replaceAll(".", "\\\\.").replaceAll("*", ".*") + "$"));
      for (const [name, bytes] of Object.entries(members)) {
        if (!wanted.some((pattern) => pattern.test(name))) continue;
        fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
        fs.writeFileSync(path.join(dir, name), bytes);
      }
      process.exit(0);
    }
    fs.appendFileSync(path.join(index, "downloads"), args.join(" ") + "\\n");
    const dest = args[args.indexOf("--dest") + 1];
    const requirements = args.slice(args.indexOf("--dest") + 2).filter((arg) => !arg.startsWith("-") && arg !== "3.12");
    for (const requirement of requirements) {
      const name = /^[\\w-]+/.exec(requirement)[0].replaceAll("-", "_") + "-";
      const wheel = fs.readdirSync(index).find((file) => file.startsWith(name));
      if (wheel === undefined) {
        console.error("ERROR: No matching distribution found for " + requirement);
        process.exit(1);
      }
      fs.copyFileSync(path.join(index, wheel), path.join(dest, wheel));
    }
    `,
  );
}

/** Writes files into a folder, each with its name as content, so that it looks like a libtensorflow. */
export function writeFiles(dir: string, names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), name);
  }
}
