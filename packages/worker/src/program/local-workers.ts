/** Workers on this machine, each a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { MachineOptions } from "@lockstep/config";
import { usableCores } from "@lockstep/engine/cores";
import { isErrorCode, LockstepError } from "@lockstep/errors";
import type { LogFormat } from "@lockstep/run";
import type { WorkerFailure } from "./parent.ts";

export interface LocalWorkers {
  /** Rejects when one has failed, with its reason if it told one; never resolves. */
  oneFailed: Promise<never>;
  /** Rejects when all have ended, however they did: nobody is left who could come again. Never resolves. */
  allEnded: Promise<never>;
  /** Ends one of them at once, as a power cut would. */
  kill(index: number): void;
  /** Resolves when all have ended. Those that have not done so after `graceMs` are killed. */
  end(graceMs: number): Promise<void>;
}

/** The coordinator is this process: if it ends, its workers need not look for it long. */
const RECONNECT_MS = 2000;

/**
 * Starts `workers` processes that join the coordinator at `url`; the cores are divided among them. They end with this
 * process at the latest.
 *
 * @param codeModel path of the model, if it is made by code
 * @param log how they tell of what ends them
 */
export function startLocalWorkers(
  workers: number,
  url: string,
  { backend, gpu, threads }: MachineOptions,
  { codeModel, log = "text" }: { codeModel?: string | undefined; log?: LogFormat | undefined } = {},
): LocalWorkers {
  const share = threads ?? Math.max(1, Math.floor(usableCores().usable / workers));
  const main = import.meta.resolve("@lockstep/worker/main");
  const options = [
    "--coordinator",
    url,
    "--threads",
    String(share),
    "--reconnect-ms",
    String(RECONNECT_MS),
    "--log",
    log,
  ];
  if (codeModel !== undefined) options.push("--model", codeModel);
  if (backend !== undefined) options.push("--backend", backend);
  const children = Array.from({ length: workers }, (_, index) =>
    // A group of their own, which Ctrl-C does not reach: the coordinator tells them when to leave.
    spawn(process.execPath, [...process.execArgv, fileURLToPath(main), ...options, ...ownOptions(index, gpu)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      detached: true,
    }),
  );
  const killAll = () => {
    for (const child of children) child.kill("SIGKILL");
  };
  process.on("exit", killAll);
  const failures = children.map(failureOf);
  const ended = Promise.all(failures).then((all) => {
    process.off("exit", killAll);
    return all;
  });
  const never = () => new Promise<never>(() => {});
  const failed = failures.map((failure) => failure.then((error) => (error === undefined ? never() : throwIt(error))));
  const oneFailed = Promise.race([never(), ...failed]);
  const allEnded = ended.then((all) => throwIt(allGone(all)));
  for (const failure of [oneFailed, allEnded]) failure.catch(() => {}); // whoever waits for it hears of the error
  const end = async (graceMs: number) => {
    const late = setTimeout(killAll, graceMs);
    await ended;
    clearTimeout(late);
  };
  return { oneFailed, allEnded, kill: (index) => void children[index]!.kill("SIGKILL"), end };
}

/** Where any GPU will do, each worker takes its own. */
function ownOptions(index: number, gpu: MachineOptions["gpu"]): string[] {
  const own = gpu === true ? index : gpu;
  return ["--name", nameOf(index), ...(typeof own === "number" ? ["--gpu", String(own)] : [])];
}

const nameOf = (index: number) => `worker-${index}`;

/** Resolves when a worker has ended, with the reason if it failed: the one that it told, or else how it ended. */
function failureOf(child: ChildProcess, index: number): Promise<LockstepError | undefined> {
  const name = nameOf(index);
  const failure = (what: string) => new LockstepError("ERR_LOCAL_WORKER", `${name} ${what}`);
  return new Promise((resolve) => {
    let told: LockstepError | undefined;
    child.on("message", (message: unknown) => {
      const failed = failureIn(message);
      if (failed !== undefined) told = new LockstepError(failed.code, `${name}: ${failed.message}`);
    });
    child.on("error", ({ message }) => resolve(failure(`could not be started: ${message}.`)));
    child.on("close", (status, signal) => {
      const how = signal === null ? `ended with status ${status}` : `was killed by ${signal}`;
      resolve(status === 0 ? undefined : (told ?? failure(`${how}; the lines above may tell why.`)));
    });
  });
}

/** Reads a worker's failure from a message of its process. Another message, which the user's model may send, has none. */
export function failureIn(sent: unknown): WorkerFailure | undefined {
  const { code, message } = Object(sent) as Record<string, unknown>;
  if (typeof code !== "string" || !isErrorCode(code) || typeof message !== "string") return undefined;
  return { code, message };
}

function allGone(failures: readonly (LockstepError | undefined)[]): LockstepError {
  const last = failures.findLast((failure) => failure !== undefined);
  const why = last === undefined ? "" : `, and ${last.code} was the last failure (${last.message})`;
  const text = `All workers have ended${why}. The run's folder goes on with --resume.`;
  return new LockstepError("ERR_LOCAL_WORKER", text);
}

function throwIt(error: LockstepError): never {
  throw error;
}
