/** The error class of Lockstep. */
import type { ErrorCode } from "./catalogue.ts";

/**
 * The one error that Lockstep throws on purpose. Its message says what was expected, what came and what to do;
 * a program prints it without a stack. Anything else that is thrown is a defect.
 */
export class LockstepError extends Error {
  /** The kind of the error; see catalogue.ts. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LockstepError";
    this.code = code;
  }
}
