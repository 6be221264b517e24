/** Checks WebGPU on a real software GPU, also when an operation fails and when the device is lost. */
import { defined } from "@lockstep/testing";
import { afterAll, expect, test, vi } from "vitest";
import { readBack } from "../backend/read-back.ts";
import { tf } from "../backend/tf.ts";
import { startEngine } from "../choose.ts";
import { inspectMachine } from "../doctor.ts";
import { claimGpu } from "../native/claim-gpu.ts";
import { createParameters } from "../parameters.ts";
import { emptyMachine, runInProcess } from "../testing/fakes.ts";
import { describeParameters } from "../testing/parameters-suite.ts";
import { findAdapter } from "./adapters.ts";

const swiftShader = process.env["LOCKSTEP_TEST_SWIFTSHADER"];
const missing = swiftShader ? undefined : "no software GPU, see test/src/testing/provide-engine.ts";
const softwareGpu = { VK_ICD_FILENAMES: swiftShader, LOCKSTEP_ALLOW_SOFTWARE_GPU: "1" };
const GIB = 2 ** 30;

const gpuTest = test.skipIf(missing);
afterAll(() => expect(missing ? 0 : tf.memory().numTensors).toBe(0));

gpuTest(
  `WebGPU is used if a GPU is required and CUDA is missing, and the log says so${missing ? ` (skipped: ${missing})` : ""}`,
  async () => {
    emptyMachine();
    for (const [name, value] of Object.entries(softwareGpu)) vi.stubEnv(name, value);
    const lines: string[] = [];
    const engine = await startEngine({ gpu: true, log: (line) => lines.push(line) });
    expect(engine).toMatchObject({
      backend: "webgpu",
      device: { kind: "gpu", name: expect.stringMatching(/^SwiftShader/), maxTensorBytes: expect.any(Number) },
      libraryVersion: "4.22.0",
      skipped: [{ backend: "native", reason: expect.stringContaining("No NVIDIA driver was found") }],
    });
    expect(lines).toEqual([
      expect.stringMatching(/^native skipped: No NVIDIA driver was found.*Install the driver/),
      expect.stringMatching(
        /^engine: TensorFlow\.js on webgpu 4\.22\.0, GPU SwiftShader .*, tensors up to \d+\.\d GiB$/,
      ),
    ]);
    expect(tf.getBackend()).toBe("webgpu");
    const product = tf.tidy(() => tf.matMul([[1, 2]], [[5], [7]]).mul(tf.ones([1, 1])));
    expect(await readBack(product)).toEqual(Float32Array.of(19));
    product.dispose();
  },
);

gpuTest("a second start returns the running WebGPU device", async () => {
  emptyMachine();
  expect((await startEngine({ backend: "webgpu" })).backend).toBe("webgpu");
});

gpuTest("WebGPU leaves no navigator that would make Node look like a browser", () => {
  const navigator = Reflect.get(globalThis, "navigator") ?? {};
  expect("gpu" in navigator).toBe(false);
});

gpuTest("a tensor that is too large for the GPU is an error with its name, its bytes and the limit", async () => {
  const { device } = await startEngine({ backend: "webgpu" });
  const limit = defined(device.maxTensorBytes, "the limit");
  const size = limit / 4 + 1;
  const large = { name: "fc1.weight", shape: [1, size], weight: new Float32Array(size) };
  expect(() => createParameters([large])).toThrow(
    `fc1.weight of shape [1, ${size}] has ${(limit + 4).toLocaleString("en")} bytes, but this GPU allows at most ${limit.toLocaleString("en")}.`,
  );
  const { name: _, ...nameless } = large;
  expect(() => createParameters([{ shape: [1], weight: Float32Array.of(1) }, nameless])).toThrow("Weight 1 of shape");
  expect(() => tf.tidy(() => tf.fill([size], 0))).toThrow(/^A tensor of shape \[\d+\] has .* smaller --max-rows/);
});

gpuTest("the doctor reports WebGPU", async () => {
  emptyMachine();
  for (const [name, value] of Object.entries(softwareGpu)) vi.stubEnv(name, value);
  const { checks } = await inspectMachine();
  const value = (name: string) => checks.find((check) => check.name === name);
  expect(value("WebGPU")).toMatchObject({
    ok: true,
    value: expect.stringMatching(/^0: SwiftShader.*, tensors up to/),
  });
  expect(value("backend webgpu")).toMatchObject({
    ok: true,
    value: expect.stringMatching(/^4\.22\.0 on SwiftShader/),
  });
  await startEngine({ backend: "webgpu" });
});

describeParameters("webgpu", missing);

// Each test runs a child process: a failed GPU is not used again, and loaded libraries stay loaded.
const run = (program: string, nodeOptions: string[] = []) => {
  const { status, stdout, stderr } = runInProcess(program, softwareGpu, nodeOptions);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return stdout;
};
const start = `await startEngine({ backend: "webgpu" });
  const outcome = (tensor) => readBack(tensor).then((values) => [...values].join(), ({ code, message }) => code + " " + message);`;

gpuTest("a process that computes on the CPU does not load WebGPU", () => {
  const maps = `import { readFileSync } from "node:fs";
    console.log(/dawn\\.node/.test(readFileSync("/proc/self/maps", "utf8")), Object.keys(globalThis).includes("GPUBuffer"));`;
  expect(run(`await startEngine({ backend: "cpu" }); ${maps}`)).toBe("false false\n");
  expect(run(`await startEngine({ backend: "webgpu" }); ${maps}`)).toBe("true true\n");
});

gpuTest("a process that shares the only GPU logs it", async () => {
  vi.stubEnv("LOCKSTEP_ALLOW_SOFTWARE_GPU", "1");
  vi.stubEnv("VK_ICD_FILENAMES", swiftShader);
  const { name } = await findAdapter(0);
  vi.unstubAllEnvs();
  const { release } = await claimGpu([name], () => `webgpu ${name}`); // a test before may have claimed it
  const lines = run(`await startEngine({ backend: "webgpu", log: console.log });`);
  release();
  expect(lines).toMatch(/^GPU SwiftShader .* is shared: another process uses it too\nengine: /);
});

gpuTest("a WebGPU process survives garbage collection, and exits by itself", () => {
  const program = `${start}
    for (let i = 0; i < 20; i++) { gc(); await new Promise(setImmediate); }
    console.log(await outcome(tf.ones([64, 64]).sum()));`;
  expect(run(program, ["--expose-gc"])).toBe("4096\n");
});

gpuTest("a failed operation on the GPU is an error at the next read", () => {
  const program = `${start}
    console.log(await outcome(tf.ones([64, 64]).sum()));
    tf.backend().device.createBuffer({ size: ${16 * GIB}, usage: GPUBufferUsage.STORAGE });
    console.log(await outcome(tf.ones([64, 64]).sum()));`;
  expect(run(program)).toMatch(
    /^4096\nERR_GPU_FAULT An operation failed on the GPU: Buffer size \(17179869184\) exceeds/,
  );
});

gpuTest("a lost GPU is an error at the next read", () => {
  const program = `${start}
    tf.backend().device.destroy();
    console.log(await outcome(tf.ones([64, 64]).sum()));`;
  expect(run(program)).toMatch(/^ERR_GPU_FAULT The GPU was lost: .*--resume\.\n/);
});
