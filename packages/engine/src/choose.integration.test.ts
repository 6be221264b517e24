/** Checks the choice of a backend on machines with fake programs and drivers, where no native TensorFlow is loaded. */
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { EngineOptions } from "./backend/engine.ts";
import { tf } from "./backend/tf.ts";
import { startEngine } from "./choose.ts";
import { cacheDir } from "./native/cache.ts";
import { emptyMachine, fakeCompiler, fakeProgram, onLinuxX64, tempDir, writeFiles } from "./testing/fakes.ts";

const linuxTest = test.runIf(onLinuxX64);

// No test here loads native TensorFlow: the machine is empty, or its library is a text file.

const LIBRARY = ["libtensorflow_cc.so.2", "include/tensorflow/c/eager/c_api.h"];

/** Starts an engine, and returns it with the lines that it logged. */
async function start(options: EngineOptions = {}) {
  const lines: string[] = [];
  const engine = await startEngine({ ...options, log: (line) => lines.push(line) });
  return { engine, lines };
}

const nvidiaSmi = (bin: string) =>
  fakeProgram(bin, "nvidia-smi", `console.log("0, GPU-aaaa, NVIDIA H200, 570.86.15, 143771")`);

linuxTest("the engine is WASM, and one line for each skipped backend has its reason and its remedy", async () => {
  emptyMachine();
  const { engine, lines } = await start();
  expect(engine).toMatchObject({ backend: "wasm", device: { kind: "cpu" }, libraryVersion: "4.22.0", threads: 1 });
  expect(lines.filter((line) => line.startsWith("native skipped"))).toEqual([
    expect.stringMatching(/needs a C\+\+ compiler, but none of .* runs\. Install one/),
    expect.stringMatching(
      /libtensorflow-cpu-linux-x86_64-2\.9\.1\.tar\.gz could not be downloaded: .*\. Check the network/,
    ),
  ]);
  expect(lines.at(-1)).toMatch(/^engine: TensorFlow\.js on wasm 4\.22\.0, CPU .*, 1 thread$/);
  expect(engine.skipped.map(({ backend }) => backend)).toEqual(["native", "native"]);
  expect(tf.getBackend()).toBe("wasm");
  expect(tf.add(1, 2).dataSync()[0]).toBe(3);
});

linuxTest("with a compiler, native TensorFlow is skipped because Python is missing", async () => {
  fakeCompiler(emptyMachine());
  const { engine } = await start();
  expect(engine.skipped[0]?.reason).toBe("TensorFlow is installed with pip, but python3 was not found.");
});

linuxTest("the native backend fails to start if it is required", async () => {
  emptyMachine();
  await expect(start({ backend: "native" })).rejects.toMatchObject({ code: "ERR_TFJS_DOWNLOAD" });
});

linuxTest("the backend cpu computes in JavaScript", async () => {
  emptyMachine();
  const { engine, lines } = await start({ backend: "cpu" });
  expect(engine).toMatchObject({ backend: "cpu", threads: 1, skipped: [] });
  expect(lines).toHaveLength(1);
  expect(tf.getBackend()).toBe("cpu");
});

linuxTest(
  "a required GPU is an error with the reasons and remedies of both CUDA and WebGPU, which are not logged too",
  async () => {
    emptyMachine();
    const lines: string[] = [];
    await expect(startEngine({ gpu: true, log: (line) => lines.push(line) })).rejects.toMatchObject({
      code: "ERR_NO_GPU",
      message: expect.stringMatching(
        /^No GPU is usable\. CUDA: No NVIDIA driver was found.*\. Install the driver.*\. WebGPU: WebGPU finds no GPU .*\. Install the card's Vulkan driver/,
      ),
    });
    expect(lines).toEqual([]);
  },
);

linuxTest("a required GPU on one backend is an error with that backend's reason", async () => {
  emptyMachine();
  await expect(start({ gpu: true, backend: "native" })).rejects.toMatchObject({ code: "ERR_NO_NVIDIA" });
  await expect(start({ backend: "webgpu" })).rejects.toMatchObject({ code: "ERR_NO_ADAPTER" });
});

linuxTest("a folder that does not exist in LOCKSTEP_LIBTENSORFLOW is an error, not a fallback", async () => {
  emptyMachine();
  vi.stubEnv("LOCKSTEP_LIBTENSORFLOW", "/no/such/folder");
  await expect(start()).rejects.toMatchObject({ code: "ERR_LIBTENSORFLOW" });
});

linuxTest("a library in LOCKSTEP_LIBTENSORFLOW that cannot be loaded is an error, not a fallback", async () => {
  fakeCompiler(emptyMachine());
  const dir = tempDir();
  writeFiles(dir, LIBRARY);
  vi.stubEnv("LOCKSTEP_LIBTENSORFLOW", dir);
  await expect(start()).rejects.toMatchObject({
    code: "ERR_ADDON_LOAD",
    message: expect.stringMatching(/cannot be loaded: .*\.node.* Remove the folder .*addon-/),
  });
});

linuxTest("a machine with a GPU but without CUDA uses the CPU, and says how to install CUDA", async () => {
  nvidiaSmi(emptyMachine());
  const { engine } = await start();
  expect(engine.skipped[0]).toEqual({
    backend: "native",
    reason: "NVIDIA H200 is not used: no working TensorFlow with CUDA was found.",
    remedy: "Use `--gpu` or `pnpm run doctor --fix` to download one (about 3 GB).",
  });
});

linuxTest("a required GPU that does not exist is an error that lists the existing ones", async () => {
  nvidiaSmi(emptyMachine());
  await expect(start({ gpu: 1 })).rejects.toThrow(
    "CUDA: GPU 1 does not exist. Available: 0 (NVIDIA H200). Choose one of these. WebGPU: ",
  );
});

linuxTest("a required GPU without a CUDA library is an error with the library's name", async () => {
  const bin = emptyMachine();
  nvidiaSmi(bin);
  fakeCompiler(bin);
  const site = join(cacheDir(), "libtensorflow-2.21.0-cuda");
  writeFiles(join(site, "tensorflow"), LIBRARY);
  fakeProgram(bin, "ldconfig", `console.log("libcuda.so.1 (libc6,x86-64) => /usr/lib/libcuda.so.1")`);
  await expect(start({ gpu: true })).rejects.toMatchObject({
    code: "ERR_NO_GPU",
    message: expect.stringMatching(/cannot use the GPU: libcudart\.so\.12, .*libcudnn\.so\.9.* are missing/),
  });
});

test.each([
  [{ backend: "cuda" }, "ERR_BACKEND_NAME", "Expected a backend of native, webgpu, wasm, cpu, got cuda."],
  [{ backend: "webgpu", gpu: false }, "ERR_GPU_BACKEND", "The backend webgpu needs a GPU."],
  [{ backend: "cpu", gpu: true }, "ERR_GPU_BACKEND", "The backend cpu does not use GPUs."],
  [{ gpu: -1 }, "ERR_GPU_INDEX", "Expected a GPU index of 0, 1, 2, …, got -1."],
  [{ threads: 0 }, "ERR_THREADS", "to be a positive integer, got 0."],
  [{ threads: 1.5 }, "ERR_THREADS", "to be a positive integer, got 1.5."],
])("the options %j are rejected with %s", async (options, code, message) => {
  await expect(startEngine(options as EngineOptions)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});
