/** Runs native TensorFlow where it starts, and reads the variables it is loaded with on machines with fake GPUs. */
import { mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { readBack } from "../backend/read-back.ts";
import { tf } from "../backend/tf.ts";
import { startEngine } from "../choose.ts";
import { fakeProgram, runInProcess, tempDir, writeFiles } from "../testing/fakes.ts";
import { cacheDir } from "./cache.ts";
import { claimGpu } from "./claim-gpu.ts";
import { cachedWheel } from "./provision.ts";

/** The reason why native TensorFlow does not start here, if any. */
const problem = await startEngine({ backend: "native" }).then(() => undefined, String);

const nativeTest = test.skipIf(problem !== undefined);
const gpuTest = test.skipIf(problem !== undefined || cachedWheel("cpu") === undefined);

nativeTest(`native TensorFlow multiplies matrices${problem ? ` (skipped: ${problem})` : ""}`, async () => {
  const product = tf.matMul(
    [
      [1, 2],
      [3, 4],
    ],
    [
      [5, 6],
      [7, 8],
    ],
  );
  expect([...(await readBack(product))]).toEqual([19, 22, 43, 50]);
});

nativeTest("a second start returns the running native TensorFlow", async () => {
  const lines: string[] = [];
  const engine = await startEngine({ log: (line) => lines.push(line) });
  expect(engine).toMatchObject({ backend: "native", skipped: [] });
  expect(engine.libraryVersion).toMatch(/^2\.\d+\.\d+/);
  expect(lines).toEqual([expect.stringMatching(/^engine: native TensorFlow 2\.[^,]*, [CG]PU .+/)]);
});

nativeTest("native kernels of strings and topk work, which use functions of util that Node 23 removed", async () => {
  const { values, indices } = tf.topk([3, 9, 4], 2);
  expect([...(await values.data()), ...(await indices.data())]).toEqual([9, 4, 1, 2]);
  expect(tf.tensor(["a", "b"]).dataSync()).toEqual(["a", "b"]);
});

nativeTest("native tensors are instances of tf.Tensor", () => {
  expect(tf.relu([1])).toBeInstanceOf(tf.Tensor);
});

nativeTest("native TensorFlow prints nothing", () => {
  const { stdout, stderr } = runInProcess(
    `await startEngine({ backend: "native" }); tf.matMul([[1]], [[2]]).dataSync();`,
    { TF_CPP_MIN_LOG_LEVEL: undefined },
  );
  expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
});

// The process has other threads too, so the difference counts.
nativeTest("native TensorFlow computes with the given number of threads", () => {
  const program = (threads: number) => `
    import { readdirSync } from "node:fs";
    const engine = await startEngine({ backend: "native", gpu: false, threads: ${threads} });
    tf.matMul(tf.ones([512, 512]), tf.ones([512, 512])).dataSync();
    console.log(JSON.stringify({ threads: engine.threads, tasks: readdirSync("/proc/self/task").length }));`;
  const counts = (threads: number) => JSON.parse(runInProcess(program(threads)).stdout);
  const [two, four] = [counts(2), counts(4)];
  expect([two.threads, four.threads]).toEqual([2, 4]);
  expect(four.tasks - two.tasks).toBe(2);
});

/**
 * Fakes a machine with GPUs: nvidia-smi, the names of CUDA's libraries, and TensorFlow without CUDA
 * in the place of one with.
 */
function machineWithGpu(...uuids: [string, ...string[]]): NodeJS.ProcessEnv {
  const dir = tempDir();
  const bin = join(dir, "bin");
  const cache = join(dir, "cache");
  const site = join(cache, "libtensorflow-2.21.0-cuda");
  mkdirSync(bin);
  const list = uuids.map((uuid, index) => `${index}, ${uuid}, NVIDIA H200, 570.86.15, 143771`).join("\n");
  fakeProgram(bin, "nvidia-smi", `console.log(${JSON.stringify(list)})`);
  const names = ["cuda.so.1", "cudart.so.12", "cublas.so.12", "cublasLt.so.12", "cudnn.so.9", "cufft.so.11"];
  const more = ["cusolver.so.11", "cusparse.so.12", "nvJitLink.so.12"];
  const libraries = [...names, ...more].map((name) => `nvidia/all/lib/lib${name}`);
  writeFiles(site, libraries);
  symlinkSync(dirname(defined(cachedWheel("cpu")).file), join(site, "tensorflow"));
  for (const addon of readdirSync(cacheDir()).filter((name) => name.startsWith("addon-"))) {
    symlinkSync(join(cacheDir(), addon), join(cache, addon));
  }
  return { PATH: `${bin}:${process.env["PATH"]}`, LOCKSTEP_CACHE: cache };
}

/** The variables of TensorFlow's GPU that are set when the library is loaded. */
const SEEN = ["CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH", "NVIDIA_TF32_OVERRIDE", "TF_DETERMINISTIC_OPS"];

/** Runs `load` in place of the loading of TensorFlow, with the variables on its screen before. */
const startOn = (machine: NodeJS.ProcessEnv, options: string, load: string) =>
  runInProcess(
    `import { Module } from "node:module";
    const load = Module._extensions[".node"];
    Module._extensions[".node"] = (module, file) => {
      if (file.endsWith("tfjs_binding.node")) console.log(...${JSON.stringify(SEEN)}.map((name) => process.env[name]));
      ${load};
    };
    await startEngine(${options}).then(
      ({ device, skipped }) => console.log(device.kind, skipped[0]?.reason),
      (error) => console.log(error.code, error.message),
    );
    console.log(process.env.CUDA_VISIBLE_DEVICES);`,
    machine,
  ).stdout;

/** Returns the variables with which TensorFlow is loaded, the outcome of the start, and the visible GPUs afterwards. */
const outputOf = (machine: NodeJS.ProcessEnv, options: string) => startOn(machine, options, "load(module, file)");

/** Returns the variables with which TensorFlow would be loaded. */
const variablesOf = (machine: NodeJS.ProcessEnv, options: string) =>
  startOn(machine, options, 'if (file.endsWith("tfjs_binding.node")) process.exit(); else load(module, file)');

gpuTest(
  "TensorFlow sees one GPU, growing memory, no TF32 and deterministic ops, and is an error if it computes on the CPU",
  () => {
    const stdout = outputOf(machineWithGpu("GPU-aaaa"), `{ gpu: 0, backend: "native" }`);
    const [seen, outcome, afterwards] = stdout.split("\n");
    expect(seen).toBe("GPU-aaaa true 0 1");
    expect(outcome).toMatch(/^ERR_GPU_UNUSED TensorFlow from .* does not use the GPU\. Set TF_CPP_MIN_/);
    expect(afterwards).toBe("undefined");
  },
);

gpuTest("on a machine with two GPUs, a worker uses the unclaimed one, or the one with the given index", async () => {
  const first = `GPU-1-${process.pid}`;
  const second = `GPU-2-${process.pid}`;
  const { release } = await claimGpu([first], (uuid) => uuid); // as a running worker does
  const machine = machineWithGpu(first, second);
  const seenBy = (options: string) => variablesOf(machine, options).split(" ")[0];
  expect(seenBy(`{ gpu: true, backend: "native" }`)).toBe(second);
  expect(seenBy("{}")).toBe(second);
  expect(seenBy(`{ gpu: 0, backend: "native" }`)).toBe(first);
  release();
  expect(seenBy(`{ gpu: true, backend: "native" }`)).toBe(first);
});

gpuTest("a GPU that is not required and does not work is skipped for the CPU, with the reason", () => {
  expect(outputOf(machineWithGpu("GPU-aaaa"), "{}")).toMatch(
    /^GPU-aaaa true 0 1\ncpu TensorFlow from .* does not use the GPU\.\n/,
  );
});

gpuTest("the user's settings of TF32, memory growth and determinism take precedence", () => {
  const given = { NVIDIA_TF32_OVERRIDE: "1", TF_FORCE_GPU_ALLOW_GROWTH: "false", TF_DETERMINISTIC_OPS: "0" };
  expect(variablesOf({ ...machineWithGpu("GPU-aaaa"), ...given }, "{}")).toBe("GPU-aaaa false 1 0\n");
});

gpuTest("gpu: false hides the GPU from TensorFlow", () => {
  expect(outputOf(machineWithGpu("GPU-aaaa"), "{ gpu: false }")).toBe(
    "-1 true 0 undefined\ncpu undefined\nundefined\n",
  );
});
