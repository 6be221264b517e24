/** Checks the build of the addon with fake compilers that are missing, fail or succeed. */
import { readdirSync, readFileSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { defined } from "@lockstep/testing";
import { expect, test, vi } from "vitest";
import { emptyMachine, fakeCompiler, fakeProgram, tempDir, writeFiles } from "../testing/fakes.ts";
import { addonFor } from "./addon.ts";
import { cacheDir } from "./cache.ts";
import { libtensorflowIn } from "./libtensorflow.ts";

function library() {
  const dir = tempDir();
  writeFiles(dir, ["libtensorflow_cc.so.2", "include/tensorflow/c/eager/c_api.h"]);
  return defined(libtensorflowIn(dir), "the library");
}

test("an addon without a compiler is an error that says how to get one", async () => {
  emptyMachine();
  await expect(addonFor(library(), () => {})).rejects.toMatchObject({
    code: "ERR_NO_COMPILER",
    message: expect.stringMatching(/none of g\+\+, c\+\+, clang\+\+ runs.*apt install g\+\+.*CXX/),
  });
});

test("an addon that does not compile is an error with the compiler's output, and leaves no files", async () => {
  const bin = emptyMachine();
  fakeProgram(bin, "g++", `if (args[0] !== "--version") { console.error("no such header"); process.exit(1); }`);
  await expect(addonFor(library(), () => {})).rejects.toMatchObject({
    code: "ERR_ADDON_BUILD",
    message: expect.stringMatching(/g\+\+ -std=c\+\+17 .* printed: no such header/),
  });
  expect(readdirSync(cacheDir())).toEqual([]);
});

test("a compiled addon needs no compiler until the library changes", async () => {
  const bin = emptyMachine();
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  const tensorflow = library();
  fakeCompiler(bin);
  const addon = await addonFor(tensorflow, log);
  expect(readFileSync(addon, "utf8")).toBe("compiled");
  expect(readdirSync(dirname(addon)).sort()).toEqual(["quiet.node", "tfjs_binding.node"]);
  vi.stubEnv("PATH", join(bin, "empty"));
  expect(await addonFor(tensorflow, log)).toBe(addon);
  expect(lines).toHaveLength(1);
  utimesSync(tensorflow.file, 0, 0);
  await expect(addonFor(tensorflow, log)).rejects.toMatchObject({ code: "ERR_NO_COMPILER" });
});

test("the compiler in CXX takes precedence over all others", async () => {
  const bin = emptyMachine();
  fakeProgram(bin, "g++", "process.exit(1)");
  fakeProgram(bin, "my-c++", `if (args[0] !== "--version") fs.writeFileSync(args[args.indexOf("-o") + 1], "mine");`);
  vi.stubEnv("CXX", "my-c++");
  expect(readFileSync(await addonFor(library(), () => {}), "utf8")).toBe("mine");
});

test("a library's ready-made addon is used as it is", async () => {
  emptyMachine();
  expect(await addonFor({ ...library(), addon: "/ready-made.node" }, () => {})).toBe("/ready-made.node");
});
