/** Installs small wheels from a fake index, also incomplete ones and in two processes at once. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawnForTest } from "@lockstep/testing";
import { strToU8, zipSync } from "fflate";
import { expect, test } from "vitest";
import { emptyMachine, fakeCompiler, fakePython, tempDir } from "../testing/fakes.ts";
import { cacheDir } from "./cache.ts";
import { cachedWheel, installCpuWheel, installCudaWheels } from "./provision.ts";

const TENSORFLOW = {
  "tensorflow/libtensorflow_cc.so.2": strToU8("cc"),
  "tensorflow/libtensorflow_framework.so.2": strToU8("framework"),
  "tensorflow/include/tensorflow/c/eager/c_api.h": strToU8("header"),
  "tensorflow/include/unsupported/Eigen.h": strToU8("not needed"),
  "tensorflow/python/nn.py": strToU8("not needed"),
  "tensorflow-2.21.0.dist-info/METADATA": strToU8(
    'Requires-Dist: nvidia-cudnn-cu12<10.0,>=9.3; extra == "and-cuda"\nRequires-Dist: nvidia-cublas-cu12<13.0; extra == "and-cuda"\n',
  ),
};

/**
 * Fakes a machine with Python, a compiler and an index with these wheels. Returns a function
 * that lists pip's downloads.
 */
function machineWith(wheels: Record<string, Record<string, Uint8Array>>): () => string[] {
  const bin = emptyMachine();
  const index = tempDir();
  for (const [name, members] of Object.entries(wheels)) writeFileSync(join(index, name), zipSync(members));
  fakePython(bin, index);
  fakeCompiler(bin);
  return () => readFileSync(join(index, "downloads"), "utf8").trim().split("\n");
}

const CPU_WHEEL = "tensorflow_cpu-2.21.0-cp99.whl";

test("the needed files of the CPU wheel are put into the cache, once", async () => {
  const downloads = machineWith({ [CPU_WHEEL]: TENSORFLOW });
  const lines: string[] = [];
  const library = await installCpuWheel((line) => lines.push(line));
  expect(library.file).toBe(join(cacheDir(), "libtensorflow-2.21.0-cpu/tensorflow/libtensorflow_cc.so.2"));
  expect(readdirSync(cacheDir())).toEqual(["libtensorflow-2.21.0-cpu"]);
  expect(readdirSync(join(cacheDir(), "libtensorflow-2.21.0-cpu"))).toEqual(["tensorflow"]);
  const files = readdirSync(join(library.file, ".."), { recursive: true }).sort();
  expect(files.filter((name) => /\.\w+$/.test(String(name)))).toEqual([
    "include/tensorflow/c/eager/c_api.h",
    "libtensorflow_cc.so.2",
    "libtensorflow_framework.so.2",
  ]);
  expect(lines[0]).toMatch(/270 MB, 850 MB unpacked in \//);
  lines.length = 0;
  expect(await installCpuWheel((line) => lines.push(line))).toEqual(library);
  expect(lines).toEqual([]);
  expect(downloads()).toHaveLength(1);
});

test("a machine without a compiler downloads nothing", async () => {
  machineWith({ [CPU_WHEEL]: TENSORFLOW });
  const bin = emptyMachine();
  fakePython(bin, tempDir());
  await expect(installCpuWheel(() => {})).rejects.toMatchObject({ code: "ERR_NO_COMPILER" });
});

test("a wheel without the library is an error, and leaves no files", async () => {
  machineWith({ [CPU_WHEEL]: { "tensorflow/python/nn.py": strToU8("") } });
  await expect(installCpuWheel(() => {})).rejects.toMatchObject({
    code: "ERR_LIBTENSORFLOW",
    message: expect.stringMatching(/tensorflow_cpu-2.21.0-cp99.whl lacks files of libtensorflow/),
  });
  expect(readdirSync(cacheDir())).toEqual([]);
});

test.runIf(process.platform === "linux")("two processes that install at once download once", async () => {
  const downloads = machineWith({ [CPU_WHEEL]: TENSORFLOW });
  const script = join(tempDir(), "install.mts");
  const module = fileURLToPath(new URL("./provision.ts", import.meta.url));
  writeFileSync(
    script,
    `import { installCpuWheel } from ${JSON.stringify(module)};
    console.log((await installCpuWheel(() => {})).file);`,
  );
  const args = ["--import", "tsx", "--conditions=lockstep-source", script];
  const cwd = fileURLToPath(new URL("../../../..", import.meta.url));
  const results = [1, 2].map(async () => {
    const child = spawnForTest([process.execPath, ...args], { cwd });
    const output = (await child.stdout.toArray()).join("");
    return output.trim();
  });
  const [first, second] = await Promise.all(results);
  expect(first).toBe(cachedWheel("cpu")?.file);
  expect(second).toBe(first);
  expect(downloads()).toHaveLength(1);
});

test("the CUDA libraries are put where TensorFlow's run path expects them", async () => {
  const cudnn = {
    "nvidia/cudnn/lib/libcudnn.so.9": strToU8("cudnn"),
    "nvidia/cudnn/include/cudnn.h": strToU8("not needed"),
  };
  const downloads = machineWith({
    "tensorflow-2.21.0-cp99.whl": TENSORFLOW,
    "nvidia_cudnn_cu12-9.3.whl": cudnn,
    "nvidia_cublas_cu12-12.5.whl": { "nvidia/cublas/lib/libcublas.so.12": strToU8("cublas") },
  });
  const lines: string[] = [];
  const { file } = await installCudaWheels((line) => lines.push(line));
  const site = join(file, "../..");
  expect(site).toBe(join(cacheDir(), "libtensorflow-2.21.0-cuda"));
  expect(readFileSync(join(site, "nvidia/cudnn/lib/libcudnn.so.9"), "utf8")).toBe("cudnn");
  expect(readFileSync(join(site, "nvidia/cublas/lib/libcublas.so.12"), "utf8")).toBe("cublas");
  expect(existsSync(join(site, "nvidia/cudnn/include"))).toBe(false);
  expect(lines[0]).toMatch(/about 3 GB/);
  expect(downloads()[1]).toMatch(/nvidia-cudnn-cu12<10.0,>=9.3 nvidia-cublas-cu12<13.0$/);
});

test("a missing CUDA wheel is an error, and leaves no files", async () => {
  machineWith({ "tensorflow-2.21.0-cp99.whl": TENSORFLOW });
  await expect(installCudaWheels(() => {})).rejects.toThrow("No matching distribution found for nvidia-cudnn-cu12");
  expect(readdirSync(cacheDir())).toEqual([]);
});
