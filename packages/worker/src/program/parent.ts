/** The process that started this worker, if that was `pnpm train --workers`. */
import { type ErrorCode, knownError } from "@lockstep/errors";

/** The reason for which a worker fails, as its parent hears of it. */
export interface WorkerFailure {
  code: ErrorCode;
  message: string;
}

/**
 * Tells the parent why this worker fails, so that a reason that every worker will meet again can end the run, and is
 * printed once.
 *
 * @returns whether there is such a parent, and a reason for it
 */
export function reportToParent(error: unknown): boolean {
  const known = knownError(error);
  if (known === undefined || process.send === undefined) return false;
  const failure: WorkerFailure = { code: known.code, message: known.message };
  process.send(failure);
  return true;
}

/**
 * Ends this process when its parent is gone, however that ended: nobody else can come back as this worker's
 * coordinator. A process that was started otherwise has no such parent.
 */
export function exitWithParent(): void {
  process.once("disconnect", () => process.exit(1));
  process.channel?.unref(); // listening keeps no worker that is done from ending
}
