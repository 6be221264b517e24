import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { EngineOptions } from "./backend/engine.ts";
import { tf } from "./backend/tf.ts";
import { startEngine } from "./choose.ts";
import { cacheDir } from "./native/cache.ts";
import { emptyMachine, fakeCompiler, fakeProgram, onLinuxX64, tempDir, writeFiles } from "./testing/fakes.ts";

// In this file nothing leads to native TensorFlow: the machine is empty, or its library is a file of letters.

const LIBRARY = ["libtensorflow_cc.so.2", "include/tensorflow/c/eager/c_api.h"];

/** What `log` was told, and how it ended. */
async function start(options: EngineOptions = {}) {
  const lines: string[] = [];
  const engine = await startEngine({ ...options, log: (line) => lines.push(line) });
  return { engine, lines };
}

const nvidiaSmi = (bin: string) =>
  fakeProgram(bin, "nvidia-smi", `console.log("0, GPU-aaaa, NVIDIA H200, 570.86.15, 143771")`);

describe.runIf(onLinuxX64)("on a machine with nothing but Node", () => {
  test("WASM serves, and each other way is one line with its reason and its remedy", async () => {
    emptyMachine();
    const { engine, lines } = await start();
    expect(engine).toMatchObject({ backend: "wasm", device: { kind: "cpu" }, libraryVersion: "4.22.0", threads: 1 });
    expect(lines.filter((line) => line.startsWith("native passed over"))).toEqual([
      expect.stringMatching(/needs a C\+\+ compiler, and none of .* runs here\. Install one/),
      expect.stringMatching(
        /libtensorflow-cpu-linux-x86_64-2\.9\.1\.tar\.gz could not be downloaded: .*\. Check the network/,
      ),
    ]);
    expect(lines.at(-1)).toMatch(/^engine: TensorFlow\.js on wasm 4\.22\.0, CPU .*, 1 thread$/);
    expect(engine.skipped.map(({ backend }) => backend)).toEqual(["native", "native"]);
    expect(tf.getBackend()).toBe("wasm");
    expect(tf.add(1, 2).dataSync()[0]).toBe(3);
  });

  test("and a compiler, the lack of Python is the reason", async () => {
    fakeCompiler(emptyMachine());
    const { engine } = await start();
    expect(engine.skipped[0]!.reason).toBe("TensorFlow is installed with pip, but python3 was not found.");
  });

  test("a demand for the native backend is refused", async () => {
    emptyMachine();
    await expect(start({ backend: "native" })).rejects.toMatchObject({ code: "ERR_TFJS_DOWNLOAD" });
  });

  test("the backend cpu computes in JavaScript", async () => {
    emptyMachine();
    const { engine, lines } = await start({ backend: "cpu" });
    expect(engine).toMatchObject({ backend: "cpu", threads: 1, skipped: [] });
    expect(lines).toHaveLength(1);
    expect(tf.getBackend()).toBe("cpu");
  });

  test("a demand for a GPU is refused, with what CUDA and what WebGPU lack and what helps", async () => {
    emptyMachine();
    await expect(start({ gpu: true })).rejects.toMatchObject({
      code: "ERR_NO_GPU",
      message: expect.stringMatching(
        /^No GPU can be used\. With CUDA: There is no NVIDIA driver.*\. Install the driver.*\. With WebGPU: WebGPU finds no GPU .*\. Install the card's Vulkan driver/,
      ),
    });
  });

  test("a demand for CUDA or for WebGPU is refused with its own reason", async () => {
    emptyMachine();
    await expect(start({ gpu: true, backend: "native" })).rejects.toMatchObject({ code: "ERR_NO_NVIDIA" });
    await expect(start({ backend: "webgpu" })).rejects.toMatchObject({ code: "ERR_NO_ADAPTER" });
  });
});

describe.runIf(onLinuxX64)("a library in LOCKSTEP_LIBTENSORFLOW that does not work", () => {
  test("because nothing is there is an error, not a fallback", async () => {
    emptyMachine();
    vi.stubEnv("LOCKSTEP_LIBTENSORFLOW", "/no/such/folder");
    await expect(start()).rejects.toMatchObject({ code: "ERR_LIBTENSORFLOW" });
  });

  test("because it cannot be loaded is an error, not a fallback", async () => {
    fakeCompiler(emptyMachine());
    const dir = tempDir();
    writeFiles(dir, LIBRARY);
    vi.stubEnv("LOCKSTEP_LIBTENSORFLOW", dir);
    await expect(start()).rejects.toMatchObject({
      code: "ERR_ADDON_LOAD",
      message: expect.stringMatching(/cannot be loaded: .*\.node.* Remove the folder .*addon-/),
    });
  });
});

describe.runIf(onLinuxX64)("a machine with a GPU", () => {
  test("uses the CPU as long as CUDA is not installed, and says what installs it", async () => {
    nvidiaSmi(emptyMachine());
    const { engine } = await start();
    expect(engine.skipped[0]).toEqual({
      backend: "native",
      reason: "NVIDIA H200 is not used, for want of a TensorFlow with CUDA that works.",
      remedy: "`--gpu`, or `pnpm run doctor --fix`, downloads one (about 3 GB).",
    });
  });

  test("of which another was demanded tells which there are", async () => {
    nvidiaSmi(emptyMachine());
    await expect(start({ gpu: 1 })).rejects.toThrow(
      "With CUDA: There is no GPU 1 here, but 0 (NVIDIA H200). Name one of these. With WebGPU: ",
    );
  });

  test("refuses a demand when a library of CUDA is missing, by its name", async () => {
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
});

describe("options", () => {
  test.each([
    [{ backend: "cuda" }, "ERR_BACKEND_NAME", "There is no backend cuda. Name native, webgpu, wasm, cpu."],
    [{ backend: "webgpu", gpu: false }, "ERR_GPU_BACKEND", "The backend webgpu needs a GPU."],
    [{ backend: "cpu", gpu: true }, "ERR_GPU_BACKEND", "The backend cpu does not use GPUs."],
    [{ gpu: -1 }, "ERR_GPU_INDEX", "A GPU's index is 0, 1, 2, …; this one is -1."],
    [{ threads: 0 }, "ERR_THREADS", "must be 1 or more, and whole; it is 0."],
    [{ threads: 1.5 }, "ERR_THREADS", "must be 1 or more, and whole; it is 1.5."],
  ])("%j are refused with %s", async (options, code, message) => {
    await expect(startEngine(options as EngineOptions)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });
});
