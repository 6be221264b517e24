/** Why a run stops early: the reason of the one `AbortSignal` that its loop and its team observe. */

/** Signals of Ctrl-C, of the system or a supervisor, and of a closed terminal. */
export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP";

/**
 * The cause of a stop. For a signal, for a stop on the dashboard, and when the last worker that holds the weights
 * leaves, the run completes its step and saves its state; a failure ends it at once.
 */
export type StopCause =
  | { type: "signal"; signal: SignalName }
  | { type: "dashboard" }
  | { type: "last-worker-leaves" }
  | { type: "failure"; error: Error };

/** The reason that an `AbortSignal` of a run aborts with. */
export class StopReason {
  readonly cause: StopCause;

  constructor(cause: StopCause) {
    this.cause = cause;
  }
}

/** Returns a signal that aborts with a failure when the promise rejects. */
export function failureSignal(failing: Promise<unknown>): AbortSignal {
  const failed = new AbortController();
  failing.catch((reason: unknown) => failed.abort(new StopReason({ type: "failure", error: errorOf(reason) })));
  return failed.signal;
}

/** Returns why a run has to stop; undefined while it has not. */
export function stopCauseOf(signal: AbortSignal): StopCause | undefined {
  if (!signal.aborted) return undefined;
  const reason: unknown = signal.reason;
  if (reason instanceof StopReason) return reason.cause;
  return { type: "failure", error: errorOf(reason) };
}

/** Throws the error if `signal` has aborted with a failure. */
export function throwIfFailed(signal: AbortSignal): void {
  const cause = stopCauseOf(signal);
  if (cause?.type === "failure") throw cause.error;
}

const errorOf = (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason)));
