/** The error for a backend, or a library for it, that this machine does not have. */
import { type ErrorCode, LockstepError } from "@lockstep/errors";

/**
 * Thrown when a backend, or one of the libraries for it, is not available. If there is an alternative, the backend is
 * skipped with a log line; if the user asked for it, this is the error that the user sees.
 */
export class Unavailable extends LockstepError {
  readonly reason: string;
  readonly remedy: string;

  /** @param reason, remedy complete sentences */
  constructor(code: ErrorCode, reason: string, remedy: string, options?: ErrorOptions) {
    super(code, `${reason} ${remedy}`, options);
    this.reason = reason;
    this.remedy = remedy;
  }
}
