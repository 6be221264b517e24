/**
 * The one error that Lockstep throws on purpose. Its message says what was expected, what came and what to do;
 * a program prints it without a stack. Anything else that is thrown is a defect.
 */
export class LockstepError extends Error {
  /** Stable name of the kind of error, for programs: `ERR_` and words in capitals. */
  readonly code: `ERR_${string}`;

  constructor(code: `ERR_${string}`, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LockstepError";
    this.code = code;
  }
}
