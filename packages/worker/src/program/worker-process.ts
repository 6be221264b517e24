/** A local worker in a child process. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isErrorCode, LockstepError } from "@lockstep/errors";
import type { WorkerFailure } from "./parent.ts";

/** Starts worker number `index` with these options and its name. */
export function startWorkerProcess(index: number, options: readonly string[]): ChildProcess {
  const main = fileURLToPath(import.meta.resolve("@lockstep/worker/main"));
  // Ctrl-C does not reach another process group: the coordinator tells the worker when to leave.
  return spawn(process.execPath, [...process.execArgv, main, ...options, "--name", nameOf(index)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    detached: true,
  });
}

/** Resolves when a worker has ended: with the error that it reported or its exit status, or undefined for status 0. */
export function failureOf(child: ChildProcess, index: number): Promise<LockstepError | undefined> {
  const name = nameOf(index);
  const failure = (what: string) => new LockstepError("ERR_LOCAL_WORKER", `${name} ${what}`);
  return new Promise((resolve) => {
    let reported: LockstepError | undefined;
    child.on("message", (message: unknown) => {
      const failed = parseFailure(message);
      if (failed !== undefined) reported = new LockstepError(failed.code, `${name}: ${failed.message}`);
    });
    child.on("error", ({ message }) => resolve(failure(`could not be started: ${message}.`)));
    child.on("close", (status, signal) => {
      const how = signal === null ? `ended with status ${status}` : `was killed by ${signal}`;
      resolve(status === 0 ? undefined : (reported ?? failure(`${how}. See the lines above for the reason.`)));
    });
  });
}

/**
 * Returns the failure in a worker's IPC message, or undefined for any other message, which the user's model may send.
 */
export function parseFailure(sent: unknown): WorkerFailure | undefined {
  const { code, message } = Object(sent) as Record<string, unknown>;
  if (typeof code !== "string" || !isErrorCode(code) || typeof message !== "string") return undefined;
  return { code, message };
}

const nameOf = (index: number) => `worker-${index}`;
