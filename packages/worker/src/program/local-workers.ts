/** Workers on this machine, which end with this process at the latest. */
import type { ChildProcess } from "node:child_process";
import type { MachineOptions } from "@lockstep/config";
import { usableCores } from "@lockstep/engine/cores";
import { LockstepError } from "@lockstep/errors";
import type { LogFormat } from "@lockstep/run";
import { failureOf, startWorkerProcess } from "./worker-process.ts";

/** The coordinator is this process: if it ends, its workers need not look for it long. */
const RECONNECT_MS = 2000;

/** Where a model made by code lies, and how the workers log what ends them. */
export interface LocalWorkerOptions {
  codeModel?: string | undefined;
  /** @default "text" */
  log?: LogFormat | undefined;
}

/** Starts `workers` processes that join the coordinator at `url`; the cores are divided among them. */
export function startLocalWorkers(
  workers: number,
  url: string,
  { backend, gpu, threads }: MachineOptions,
  { codeModel, log = "text" }: LocalWorkerOptions = {},
): LocalWorkers {
  const share = threads ?? Math.max(1, Math.floor(usableCores().usable / workers));
  const options = ["--coordinator", url, "--threads", String(share), "--reconnect-ms", String(RECONNECT_MS)];
  options.push("--log", log);
  if (codeModel !== undefined) options.push("--model", codeModel);
  if (backend !== undefined) options.push("--backend", backend);
  const children = Array.from({ length: workers }, (_, index) =>
    startWorkerProcess(index, [...options, ...gpuOption(index, gpu)]),
  );
  return new LocalWorkers(children);
}

/** Makes the option that gives each worker a GPU of its own, where any will do. */
function gpuOption(index: number, gpu: MachineOptions["gpu"]): string[] {
  const workerGpu = gpu === true ? index : gpu;
  return typeof workerGpu === "number" ? ["--gpu", String(workerGpu)] : [];
}

/** The processes that `startLocalWorkers` has started. */
export class LocalWorkers {
  /** Rejects when a worker has failed, with its reason if it told one; never resolves. */
  readonly oneFailed: Promise<never>;
  /** Rejects when all workers have ended, however they did: none is left that could come again. Never resolves. */
  readonly allEnded: Promise<never>;
  readonly #children: readonly ChildProcess[];
  readonly #ended: Promise<readonly (LockstepError | undefined)[]>;

  constructor(children: readonly ChildProcess[]) {
    this.#children = children;
    const failures = children.map(failureOf);
    this.#ended = Promise.all(failures);
    this.oneFailed = new Promise((_, reject) => {
      for (const failure of failures) void failure.then((error) => error !== undefined && reject(error));
    });
    this.allEnded = this.#ended.then((all) => {
      throw allEndedError(all);
    });
    for (const failure of [this.oneFailed, this.allEnded]) failure.catch(() => {}); // whoever waits for it hears of the error
    const kill = () => this.#killAll();
    process.on("exit", kill);
    void this.#ended.then(() => process.off("exit", kill));
  }

  /** Ends one worker at once, as a power cut would. */
  kill(index: number): void {
    this.#children[index]?.kill("SIGKILL");
  }

  /** Resolves when all workers have ended. Those that have not done so after `graceMs` are killed. */
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
  const why = last === undefined ? "" : `, and ${last.code} was the last failure (${last.message})`;
  const text = `All workers have ended${why}. The run's folder goes on with --resume.`;
  return new LockstepError("ERR_LOCAL_WORKER", text);
}
