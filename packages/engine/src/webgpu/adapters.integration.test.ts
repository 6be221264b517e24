/** Checks the adapters of a real software GPU, and of Vulkan drivers that crash or are missing. */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { defined } from "@lockstep/testing";
import { expect, test, vi } from "vitest";
import { emptyMachine, onLinuxX64, tempDir } from "../testing/fakes.ts";
import { findAdapter, listAdapters, reachableAdapters } from "./adapters.ts";

const linuxTest = test.runIf(onLinuxX64);

const swiftShader = process.env["LOCKSTEP_TEST_SWIFTSHADER"];
const why = swiftShader ? "" : " (skipped: no software GPU, see test/src/testing/provide-engine.ts)";
const gpuTest = test.skipIf(!swiftShader);
const hasCompiler = spawnSync("g++", ["--version"]).status === 0;

/** Fakes a machine with these Vulkan drivers and no others. */
function machineWith(...drivers: string[]): void {
  emptyMachine();
  vi.stubEnv("VK_ICD_FILENAMES", drivers.join(":"));
}

/** Writes a manifest of the Vulkan driver in `library`. */
function driverFile(library: string): string {
  const file = join(tempDir(), "driver.json");
  writeFileSync(
    file,
    JSON.stringify({ file_format_version: "1.0.0", ICD: { library_path: library, api_version: "1.1.0" } }),
  );
  return file;
}

gpuTest(`a software adapter is eligible only if that is allowed${why}`, async () => {
  machineWith(defined(swiftShader));
  await expect(listAdapters()).rejects.toMatchObject({
    code: "ERR_SOFTWARE_GPU",
    message: expect.stringMatching(
      /finds only SwiftShader Device.*on the CPU\. Install.*LOCKSTEP_ALLOW_SOFTWARE_GPU=1/,
    ),
  });
  vi.stubEnv("LOCKSTEP_ALLOW_SOFTWARE_GPU", "1");
  const [adapter, ...others] = await listAdapters();
  expect(others).toEqual([]);
  expect(adapter).toMatchObject({
    index: 0,
    name: expect.stringMatching(/^SwiftShader/),
    driver: expect.any(String),
  });
  expect(adapter?.maxTensorBytes).toBeGreaterThanOrEqual(2 ** 27); // the least that WebGPU allows
});

gpuTest("an adapter is found by its index, and an invalid index is an error with the valid ones", async () => {
  machineWith(defined(swiftShader));
  vi.stubEnv("LOCKSTEP_ALLOW_SOFTWARE_GPU", "1");
  expect((await findAdapter(0)).index).toBe(0);
  await expect(findAdapter(1)).rejects.toMatchObject({
    code: "ERR_GPU_INDEX",
    message: expect.stringMatching(/has no GPU 1\. Available: 0 \(SwiftShader Device/),
  });
});

gpuTest("an adapter behind another of the same name cannot be reached", async () => {
  const { ICD } = JSON.parse(readFileSync(defined(swiftShader), "utf8"));
  const copy = join(tempDir(), "libvk_swiftshader.so");
  copyFileSync(resolve(dirname(defined(swiftShader)), ICD.library_path), copy);
  machineWith(defined(swiftShader), driverFile(copy));
  vi.stubEnv("LOCKSTEP_ALLOW_SOFTWARE_GPU", "1");
  expect((await findAdapter(0)).index).toBe(0);
  expect((await reachableAdapters()).map(({ index }) => index)).toEqual([0]);
  await expect(findAdapter(1)).rejects.toMatchObject({
    code: "ERR_GPU_INDEX",
    message: expect.stringMatching(/cannot reach GPU 1 of 0 \(Swift.*\), 1 \(Swift.*container/),
  });
});

test.skipIf(!swiftShader || !hasCompiler)("a driver that crashes is an error, and this process survives", async () => {
  const source = join(tempDir(), "driver.cc");
  writeFileSync(source, "#include <cstdlib>\n__attribute__((constructor)) static void crash() { std::abort(); }\n");
  execFileSync("g++", ["-shared", "-fPIC", source, "-o", `${source}.so`]);
  machineWith(defined(swiftShader), driverFile(`${source}.so`));
  await expect(listAdapters()).rejects.toMatchObject({
    code: "ERR_NO_WEBGPU",
    message: expect.stringMatching(/cannot list GPUs: a driver crashed\. Install the card's/),
  });
});

linuxTest("a machine without a Vulkan driver has no adapter, with Dawn's reason", async () => {
  emptyMachine();
  await expect(listAdapters()).rejects.toMatchObject({
    code: "ERR_NO_ADAPTER",
    message: expect.stringMatching(/^WebGPU finds no GPU \(.+\)\. Install the card's Vulkan driver.*libvulkan1/),
  });
});
