/** The parent process of a worker that `pnpm train --workers` has started. */
import { type ErrorCode, knownError } from "@lockstep/errors";

/** The failure of a worker, as it is sent to the parent. */
export interface WorkerFailure {
  code: ErrorCode;
  message: string;
}

/**
 * Sends this worker's failure to the parent, so that one that every worker would repeat can end the run and is printed
 * once.
 *
 * @returns false if there is no such parent or the error has no code
 */
export function reportToParent(error: unknown): boolean {
  const known = knownError(error);
  if (known === undefined || process.send === undefined) return false;
  const failure: WorkerFailure = { code: known.code, message: known.message };
  process.send(failure);
  return true;
}

/**
 * Exits when the parent ends for any reason: its coordinator cannot come back. Does nothing in a process without an IPC
 * channel to a parent.
 */
export function exitWithParent(): void {
  process.once("disconnect", () => process.exit(1));
  process.channel?.unref(); // or the listener would keep a finished worker alive
}
