/** The error of a backend, or of a way to it, that this machine does not have. */
import { type ErrorCode, LockstepError } from "@lockstep/errors";

/**
 * A way to an engine that is closed on this machine. The next way may be open, so it is told in one line and passed
 * over; where this way was demanded, it is the error that the user sees.
 */
export class Unavailable extends LockstepError {
  readonly reason: string;
  readonly remedy: string;

  /** @param reason, remedy whole sentences */
  constructor(code: ErrorCode, reason: string, remedy: string, options?: ErrorOptions) {
    super(code, `${reason} ${remedy}`, options);
    this.reason = reason;
    this.remedy = remedy;
  }
}
