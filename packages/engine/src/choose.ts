/** Chooses the backend of TensorFlow.js: the fastest that works here, with a reason for each that was passed over. */
import { LockstepError } from "@lockstep/errors";
import { cpuName, instructionSet } from "./machine.ts";
import { isGpuDemanded, startNative } from "./native.ts";
import { tf } from "./tf.ts";
import { Unavailable } from "./unavailable.ts";
import { startWasm } from "./wasm/index.ts";

export type BackendName = "native" | "wasm" | "cpu";

export interface EngineOptions {
  /** The backend that it must be; absent, the first that works of native, wasm and cpu (pure JavaScript). */
  backend?: BackendName | undefined;
  /** `true` or an index demands a GPU, `false` keeps off them; absent, one is used if all that it needs is there. */
  gpu?: boolean | number | undefined;
  /** Threads of native TensorFlow, 1 or more; absent, one for each core. */
  threads?: number | undefined;
  /** Is told in whole lines what is downloaded, passed over and chosen. */
  log?: (line: string) => void;
}

/** Something that would have been better, why it is not used, and what would change that. */
export interface PassedOver {
  backend: string;
  reason: string;
  /** Empty where nothing helps. */
  remedy: string;
}

export interface Engine {
  backend: BackendName;
  device: { kind: "cpu" | "gpu"; name: string };
  /** Version of libtensorflow; on the other backends, of TensorFlow.js. */
  libraryVersion: string;
  /** The processor's widest vector instructions, for example "AVX512". */
  instructionSet: string;
  /** Threads that compute. */
  threads: number;
  passedOver: PassedOver[];
}

/**
 * Makes TensorFlow.js ready to compute. Native TensorFlow is downloaded into the user's cache if it is not there.
 *
 * Call it on the main thread (others have an environment of their own, which libraries do not see) before `tf` is
 * used. A process loads native TensorFlow once, with the `gpu` and `threads` of the first call.
 *
 * @throws LockstepError if what was demanded (a backend, a GPU, LOCKSTEP_LIBTENSORFLOW) cannot be had
 */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  return chooseEngine(options, { install: true });
}

/** As `startEngine`; without `install`, only what is on this machine already is considered. */
export async function chooseEngine(options: EngineOptions, { install }: { install: boolean }): Promise<Engine> {
  checkOptions(options);
  const { backend, gpu, log = () => {} } = options;
  const passedOver: PassedOver[] = [];
  const passOver = (name: string) => (obstacle: Unavailable) => {
    const { reason, remedy } = obstacle;
    if (passedOver.some((other) => other.reason === reason)) return;
    passedOver.push({ backend: name, reason, remedy });
    log(`${name} passed over: ${obstacle.message.trim()}`);
  };
  const starts: Record<BackendName, () => Promise<Started>> = {
    native: () => startOnNative(options, install, passOver("native")),
    wasm: startOnWasm,
    cpu: startOnCpu,
  };
  const mustBeNative = isGpuDemanded(gpu) || Boolean(process.env["LOCKSTEP_LIBTENSORFLOW"]);
  const order: BackendName[] = backend ? [backend] : mustBeNative ? ["native"] : ["native", "wasm", "cpu"];
  for (const name of order) {
    try {
      const engine = { backend: name, instructionSet: instructionSet(), passedOver, ...(await starts[name]()) };
      log(inOneLine(engine));
      return engine;
    } catch (error) {
      if (!(error instanceof Unavailable) || order.length === 1) throw error;
      passOver(name)(error);
    }
  }
  throw new LockstepError("ERR_NO_BACKEND", "No backend of TensorFlow.js starts here. `pnpm run doctor` tells more.");
}

type Started = Pick<Engine, "device" | "libraryVersion" | "threads">;

async function startOnNative(
  { gpu, threads, log = () => {} }: EngineOptions,
  install: boolean,
  passOver: (obstacle: Unavailable) => void,
): Promise<Started> {
  const native = await startNative({ gpu, threads, install, log, passOver });
  return {
    device: native.gpu ? { kind: "gpu", name: native.gpu.name } : onCpu(),
    libraryVersion: native.libraryVersion,
    threads: native.threads,
  };
}

async function startOnWasm(): Promise<Started> {
  try {
    await startWasm();
    if (tf.getBackend() !== "wasm") throw new Error("TensorFlow.js refused it");
  } catch (error) {
    const reason = `The WASM backend does not start: ${(error as Error).message}.`;
    throw new Unavailable("ERR_WASM", reason, "", { cause: error });
  }
  return { device: onCpu(), libraryVersion: tf.version.tfjs, threads: 1 };
}

async function startOnCpu(): Promise<Started> {
  await tf.setBackend("cpu");
  return { device: onCpu(), libraryVersion: tf.version.tfjs, threads: 1 };
}

const onCpu = () => ({ kind: "cpu" as const, name: cpuName() });

function inOneLine({ backend, device, libraryVersion, threads, instructionSet }: Engine): string {
  const library = backend === "native" ? "native TensorFlow" : `TensorFlow.js on ${backend}`;
  const onCpu = device.kind === "cpu" ? ` (${instructionSet}), ${threads} ${threads === 1 ? "thread" : "threads"}` : "";
  return `engine: ${library} ${libraryVersion}, ${device.kind.toUpperCase()} ${device.name}${onCpu}`;
}

function checkOptions({ backend, gpu, threads }: EngineOptions): void {
  const fail = (code: `ERR_${string}`, message: string): never => {
    throw new LockstepError(code, message);
  };
  const name: string | undefined = backend;
  if (name === "webgpu")
    fail("ERR_BACKEND_NAME", "The backend webgpu is not in this version. Name native, wasm or cpu.");
  if (name !== undefined && !["native", "wasm", "cpu"].includes(name)) {
    fail("ERR_BACKEND_NAME", `There is no backend ${name}. Name native, wasm or cpu.`);
  }
  if (isGpuDemanded(gpu) && name !== undefined && name !== "native") {
    fail("ERR_GPU_BACKEND", `The backend ${name} does not use GPUs. Leave out the GPU, or name the backend native.`);
  }
  if (typeof gpu === "number" && !(Number.isInteger(gpu) && gpu >= 0)) {
    fail("ERR_GPU_INDEX", `A GPU's index is 0, 1, 2, …; this one is ${gpu}.`);
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    fail("ERR_THREADS", `The number of threads must be 1 or more, and whole; it is ${threads}.`);
  }
}
