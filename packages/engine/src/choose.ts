/** Chooses the backend of TensorFlow.js: the fastest that works on this machine. */
import { LockstepError, messageOf } from "@lockstep/errors";
import {
  assertEngineOptions,
  type BackendName,
  type Device,
  describeEngine,
  type Engine,
  type EngineOptions,
  isGpuRequired,
  type SkippedBackend,
} from "./backend/engine.ts";
import { tf } from "./backend/tf.ts";
import { Unavailable } from "./backend/unavailable.ts";
import { cpuName, instructionSet } from "./host/processor.ts";
import type { Gpu } from "./native/gpu.ts";
import { startNative } from "./native/native.ts";
import { installReluGradient } from "./native/relu-gradient.ts";
import { startWasm } from "./wasm/install.ts";
import { startWebgpu } from "./webgpu/device.ts";

/**
 * Starts a backend of TensorFlow.js. Downloads native TensorFlow into the user's cache if it is missing.
 *
 * Call it before `tf` is used and on the main thread: libraries do not see the environment of another thread. A process
 * loads native TensorFlow once, with the `gpu` and `threads` of the first call.
 *
 * @throws LockstepError if a required backend, GPU or LOCKSTEP_LIBTENSORFLOW is not available
 */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const engine = await chooseEngine(options, { install: true });
  options.log?.(describeEngine(engine));
  return engine;
}

/**
 * Starts an engine as `startEngine` does, but without the line that describes it. Without `install`, it uses only what
 * is already on this machine.
 */
export async function chooseEngine(options: EngineOptions, { install }: { install: boolean }): Promise<Engine> {
  assertEngineOptions(options);
  const { gpu, log = () => {} } = options;
  const skipped: SkippedBackend[] = [];
  const order = backendsInOrder(options);
  const reasonsInError = isGpuRequired(gpu) && order.length > 1; // ERR_NO_GPU repeats them
  const skip = (name: string) => (obstacle: Unavailable) => {
    const { reason, remedy } = obstacle;
    if (skipped.some((other) => other.reason === reason)) return;
    skipped.push({ backend: name, reason, remedy });
    if (!reasonsInError) log(skippedLine({ backend: name, reason, remedy }));
  };
  const starts: Record<BackendName, () => Promise<Started>> = {
    native: () => startOnNative(options, install, skip("native")),
    webgpu: () => startOnWebgpu(options),
    wasm: startOnWasm,
    cpu: startOnCpu,
  };
  for (const name of order) {
    try {
      const engine = {
        backend: name,
        instructionSet: instructionSet(),
        skipped,
        ...(await starts[name]()),
      };
      if (reasonsInError) for (const backend of skipped) log(skippedLine(backend));
      return engine;
    } catch (error) {
      if (!(error instanceof Unavailable) || order.length === 1) throw error;
      skip(name)(error);
    }
  }
  if (isGpuRequired(gpu)) throw noGpu(skipped);
  throw new LockstepError(
    "ERR_NO_BACKEND",
    "No backend of TensorFlow.js starts on this machine. Run `pnpm run doctor` to see why.",
  );
}

/** Returns the log line for a skipped backend. */
const skippedLine = ({ backend, reason, remedy }: SkippedBackend) => `${backend} skipped: ${reason} ${remedy}`.trim();

function backendsInOrder({ backend, gpu }: EngineOptions): BackendName[] {
  if (backend) return [backend];
  if (process.env["LOCKSTEP_LIBTENSORFLOW"]) return ["native"];
  return isGpuRequired(gpu) ? ["native", "webgpu"] : ["native", "wasm", "cpu"];
}

function noGpu(skipped: readonly SkippedBackend[]): LockstepError {
  const obstacles = (backend: BackendName) =>
    skipped.filter((other) => other.backend === backend).map(({ reason, remedy }) => `${reason} ${remedy}`.trim());
  const cuda = obstacles("native").join(" ");
  const webgpu = obstacles("webgpu").join(" ");
  return new LockstepError("ERR_NO_GPU", `No GPU is usable. CUDA: ${cuda} WebGPU: ${webgpu}`);
}

type Started = Pick<Engine, "device" | "libraryVersion" | "threads" | "quota">;

async function startOnNative(
  { gpu, threads, log = () => {} }: EngineOptions,
  install: boolean,
  onSkip: (obstacle: Unavailable) => void,
): Promise<Started> {
  const native = await startNative({ gpu, threads, install, log, onSkip });
  installReluGradient();
  return {
    device: native.gpu ? onGpu(native.gpu) : onCpu(),
    libraryVersion: native.libraryVersion,
    threads: native.threads,
    ...(native.quota !== undefined && { quota: native.quota }),
  };
}

const onGpu = ({ name, driver, memoryBytes }: Gpu): Device => ({ kind: "gpu", name, driver, memoryBytes });

async function startOnWebgpu({ gpu, log = () => {} }: EngineOptions): Promise<Started> {
  const { name, driver, maxTensorBytes } = await startWebgpu(typeof gpu === "number" ? gpu : undefined, log);
  const device = { kind: "gpu" as const, name, driver, maxTensorBytes };
  return { device, libraryVersion: tf.version.tfjs, threads: 1 };
}

async function startOnWasm(): Promise<Started> {
  try {
    await startWasm();
    if (tf.getBackend() !== "wasm") throw new Error("TensorFlow.js refused it");
  } catch (error) {
    const reason = `The wasm backend does not start: ${messageOf(error)}.`;
    throw new Unavailable("ERR_WASM", reason, "", { cause: error });
  }
  return { device: onCpu(), libraryVersion: tf.version.tfjs, threads: 1 };
}

async function startOnCpu(): Promise<Started> {
  await tf.setBackend("cpu");
  return { device: onCpu(), libraryVersion: tf.version.tfjs, threads: 1 };
}

const onCpu = (): Device => ({ kind: "cpu", name: cpuName() });
