/** Starts workers on this machine. They end with this process at the latest. */
import type { ChildProcess } from "node:child_process";
import { type MachineOptions, shellWord } from "@lockstep/config";
import { usableCores } from "@lockstep/engine/cores";
import { LockstepError } from "@lockstep/errors";
import type { LogFormat } from "@lockstep/run";
import { failureOf, startWorkerProcess } from "./worker-process.ts";

/** The coordinator is this process: if it ends, it will not come back. */
const RECONNECT_MS = 2000;

/** Options of `startLocalWorkers`. */
export interface LocalWorkerOptions {
  /** Path of the run's model, if it is code. */
  codeModel?: string | undefined;
  /** Format of the workers' lines. @default "text" */
  log?: LogFormat | undefined;
}

/** Starts `workers` processes that join the coordinator at `url`, and divides the cores among them. */
export function startLocalWorkers(
  workers: number,
  url: string,
  { backend, gpu, threads }: MachineOptions,
  { codeModel, log = "text" }: LocalWorkerOptions = {},
): LocalWorkers {
  const share = threads ?? Math.max(1, Math.floor(usableCores().usable / workers));
  const options = ["--coordinator", url, "--threads", String(share)];
  if (codeModel !== undefined) options.push("--model", codeModel);
  if (backend !== undefined) options.push("--backend", backend);
  const ownOptions = [...options, "--reconnect-ms", String(RECONNECT_MS), "--log", log];
  const children = Array.from({ length: workers }, (_, index) =>
    startWorkerProcess(index, [...ownOptions, ...gpuOption(index, gpu)]),
  );
  const anyGpu = gpu === true ? ["--gpu"] : gpuOption(0, gpu);
  return new LocalWorkers(children, ["pnpm", "worker", ...options, ...anyGpu].map(shellWord).join(" "));
}

/** Returns the option that gives each worker its own GPU, unless one GPU is named for all. */
function gpuOption(index: number, gpu: MachineOptions["gpu"]): string[] {
  const workerGpu = gpu === true ? index : gpu;
  return typeof workerGpu === "number" ? ["--gpu", String(workerGpu)] : [];
}

/** The worker processes that `startLocalWorkers` has started. */
export class LocalWorkers {
  /** Resolves with the error of the first worker that fails; stays pending while none does. */
  readonly firstFailure: Promise<LockstepError>;
  /** Resolves when every worker has ended, for any reason, with the error that this is for a run under way. */
  readonly allEnded: Promise<LockstepError>;
  /** The command that starts another worker by hand. */
  readonly command: string;
  readonly #children: readonly ChildProcess[];
  readonly #ended: Promise<readonly (LockstepError | undefined)[]>;

  constructor(children: readonly ChildProcess[], command: string) {
    this.command = command;
    this.#children = children;
    const failures = children.map(failureOf);
    this.#ended = Promise.all(failures);
    this.firstFailure = new Promise((resolve) => {
      for (const failure of failures) void failure.then((error) => error !== undefined && resolve(error));
    });
    this.allEnded = this.#ended.then(allEndedError);
    const kill = () => this.#killAll();
    process.on("exit", kill);
    void this.#ended.then(() => process.off("exit", kill));
  }

  /** Kills one worker at once, as a power cut would. */
  kill(index: number): void {
    this.#children[index]?.kill("SIGKILL");
  }

  /** Resolves when all workers have ended. Kills those that have not after `graceMs` milliseconds. */
  async end(graceMs: number): Promise<void> {
    const late = setTimeout(() => this.#killAll(), graceMs);
    await this.#ended;
    clearTimeout(late);
  }

  #killAll(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

function allEndedError(failures: readonly (LockstepError | undefined)[]): LockstepError {
  const last = failures.findLast((failure) => failure !== undefined);
  const why = last === undefined ? "" : `; the last failure was ${last.code} (${last.message.replace(/\.$/, "")})`;
  const text = `All workers have exited${why}. Resume the run with --resume.`;
  return new LockstepError("ERR_LOCAL_WORKER", text);
}
