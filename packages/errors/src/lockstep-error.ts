/** The error class of Lockstep. */
import type { ErrorCode } from "./catalogue.ts";

/**
 * The only error that Lockstep throws deliberately. Its message says what was expected, what was found and what to do;
 * a program prints it without a stack trace. Any other thrown error is a bug.
 */
export class LockstepError extends Error {
  /** The kind of error; see catalogue.ts. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LockstepError";
    this.code = code;
  }
}
