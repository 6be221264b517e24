/** The process that started this worker, if that was `pnpm train --workers`. */
import { type ErrorCode, LockstepError } from "@lockstep/errors";

/** Why a worker fails, as its parent hears of it. */
export interface WorkerFailure {
  code: ErrorCode;
  message: string;
}

/** Tells the parent why this worker fails, so that a reason that every worker will meet again can end the run. */
export function tellParent(error: unknown): void {
  if (!(error instanceof LockstepError)) return;
  const failure: WorkerFailure = { code: error.code, message: error.message };
  process.send?.(failure);
}
