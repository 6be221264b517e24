/** Checks the list of GPUs with a fake nvidia-smi that prints two GPUs, none, or an error. */
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { emptyMachine, fakeProgram, tempDir, writeFiles } from "../testing/fakes.ts";
import { assertCudaLibraries, findGpu, listGpus, missingCudaLibraries } from "./gpu.ts";

const TWO_GPUS = "0, GPU-aaaa-1, NVIDIA H200, 570.86.15, 143771\n1, GPU-bbbb-2, NVIDIA L4, 570.86.15, 23034\n";

function nvidiaSmi(output: string, status = 0): void {
  fakeProgram(
    emptyMachine(),
    "nvidia-smi",
    `process.stdout.write(${JSON.stringify(output)}); process.exitCode = ${status};`,
  );
}

test("GPUs are listed with name, driver and memory", async () => {
  nvidiaSmi(TWO_GPUS);
  expect(await listGpus()).toEqual([
    { index: 0, uuid: "GPU-aaaa-1", name: "NVIDIA H200", driver: "570.86.15", memoryBytes: 143771 * 2 ** 20 },
    { index: 1, uuid: "GPU-bbbb-2", name: "NVIDIA L4", driver: "570.86.15", memoryBytes: 23034 * 2 ** 20 },
  ]);
});

test.each([
  ["1,0", ["NVIDIA L4", "NVIDIA H200"]],
  ["1", ["NVIDIA L4"]],
  ["GPU-bbbb", ["NVIDIA L4"]],
])("GPUs are numbered in the order of CUDA_VISIBLE_DEVICES=%s", async (visible, names) => {
  nvidiaSmi(TWO_GPUS);
  vi.stubEnv("CUDA_VISIBLE_DEVICES", visible);
  const gpus = await listGpus();
  expect(gpus.map(({ name }) => name)).toEqual(names);
  expect(gpus.map(({ index }) => index)).toEqual(names.map((_, index) => index));
});

test("GPUs hidden by CUDA_VISIBLE_DEVICES are not listed", async () => {
  nvidiaSmi(TWO_GPUS);
  vi.stubEnv("CUDA_VISIBLE_DEVICES", "-1");
  await expect(listGpus()).rejects.toThrow('No GPU is visible: CUDA_VISIBLE_DEVICES is "-1"');
});

test("a machine without a driver has no GPUs, with the remedy", async () => {
  emptyMachine();
  await expect(listGpus()).rejects.toMatchObject({
    code: "ERR_NO_NVIDIA",
    message: expect.stringMatching(/^No NVIDIA driver was found.*Install the driver, version 525/),
  });
});

test("a driver that does not respond is an error with nvidia-smi's output", async () => {
  nvidiaSmi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver", 9);
  await expect(listGpus()).rejects.toMatchObject({
    code: "ERR_GPU_DRIVER",
    message: expect.stringContaining("couldn't communicate with the NVIDIA driver"),
  });
});

test.each([
  ["470.256.02", false],
  ["525.60.12", false],
  ["525.60.13", true],
  ["1000.1", true],
])("a GPU with driver %s is usable: %s", async (driver, usable) => {
  nvidiaSmi(`0, GPU-a, NVIDIA T4, ${driver}, 15000\n`);
  if (usable) await expect(listGpus()).resolves.toHaveLength(1);
  else
    await expect(listGpus()).rejects.toThrow(
      `CUDA 12 needs version 525.60.13 or later of the NVIDIA driver, got ${driver}.`,
    );
});

test("a driver without GPUs is an error", async () => {
  nvidiaSmi("No devices were found\n");
  await expect(listGpus()).rejects.toMatchObject({ code: "ERR_NO_GPU" });
});

test("a GPU is found by its index, and an invalid index is an error with the valid ones", async () => {
  nvidiaSmi(TWO_GPUS);
  expect((await findGpu(0)).name).toBe("NVIDIA H200");
  expect((await findGpu(1)).name).toBe("NVIDIA L4");
  await expect(findGpu(2)).rejects.toThrow("GPU 2 does not exist. Available: 0 (NVIDIA H200), 1 (NVIDIA L4).");
});

test("CUDA's libraries are searched beside TensorFlow, in LD_LIBRARY_PATH and in the system", async () => {
  const site = tempDir();
  const other = tempDir();
  const bin = emptyMachine();
  const library = { file: join(site, "tensorflow/libtensorflow_cc.so.2"), includeDir: "" };
  fakeProgram(bin, "ldconfig", `console.log("\\tlibcuda.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libcuda.so.1")`);
  writeFiles(
    site,
    ["cublas/lib/libcublas.so.12", "cublas/lib/libcublasLt.so.12"].map((name) => `nvidia/${name}`),
  );
  writeFiles(
    site,
    ["cuda_runtime/lib/libcudart.so.12", "cufft/lib/libcufft.so.11"].map((name) => `nvidia/${name}`),
  );
  expect(await missingCudaLibraries(library)).toEqual([
    "libcudnn.so.9",
    "libcusolver.so.11",
    "libcusparse.so.12",
    "libnvJitLink.so.12",
  ]);
  writeFiles(other, ["libcusolver.so.11", "libcusparse.so.12", "libnvJitLink.so.12"]);
  vi.stubEnv("LD_LIBRARY_PATH", `/nowhere:${other}`);
  await expect(assertCudaLibraries(library)).rejects.toThrow("cannot use the GPU: libcudnn.so.9 is missing.");
  writeFiles(other, ["libcudnn.so.9"]);
  await expect(assertCudaLibraries(library)).resolves.toBeUndefined();
});
