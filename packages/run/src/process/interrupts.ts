/** Signals that stop a process: the first lets a run complete its step and save it, a second ends the process. */
import { constants } from "node:os";
import { type SignalName, StopReason, stopCauseOf } from "../stop-reason.ts";

const SIGNALS: readonly SignalName[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * A SIGTERM that comes so soon after the first signal is the same request: a supervisor signals each process of a
 * group, and a parent such as pnpm passes on what it got.
 */
const ECHO_MS = 1000;

/** Exit status of a program that a signal ended: 128 + the signal's number. */
export const statusOf = (signal: SignalName): number => 128 + constants.signals[signal];

/** Exit status of a program that stopped before its end. @param signal aborts with a signal, or for another reason */
export function stoppedStatus(signal: AbortSignal): number {
  const cause = stopCauseOf(signal);
  return statusOf(cause?.type === "signal" ? cause.signal : "SIGINT");
}

/** Calls `act` for each signal that asks this process to stop. @returns a function that removes the listeners */
export function onStopSignals(act: (signal: SignalName) => void): () => void {
  const listeners = SIGNALS.map((signal) => ({ signal, listener: () => act(signal) }));
  for (const { signal, listener } of listeners) process.on(signal, listener);
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener);
  };
}

/** The watch that `watchInterrupts` keeps. */
export interface Interrupts {
  /** Aborts with the first signal that asks to stop. */
  signal: AbortSignal;
  unwatch: () => void;
}

/** Settings of `watchInterrupts`. */
export interface InterruptOptions {
  /** The activity of a process that is asked to stop, such as "stopping after this step". */
  doing: string;
  /** Called once with a line that says `doing`, and how to end the process at once. */
  log: (line: string) => void;
  /** A monotonic clock. @default performance.now */
  nowMs?: () => number;
  /** Ends the process. @default process.exit */
  exit?: (status: number) => void;
}

/**
 * Watches for signals that ask this process to stop. After the first one, Ctrl-C or another SIGTERM ends the process at
 * once. Another SIGHUP does not: when a terminal closes, its shell and the kernel both send one.
 */
export function watchInterrupts(options: InterruptOptions): Interrupts {
  const { doing, log, nowMs = () => performance.now(), exit = process.exit } = options;
  const stop = new AbortController();
  let sinceMs: number | undefined;
  const unwatch = onStopSignals((signal) => {
    if (sinceMs === undefined) {
      sinceMs = nowMs();
      log(stoppingLine(signal, doing));
      stop.abort(new StopReason({ type: "signal", signal }));
    } else if (signal === "SIGINT" || (signal === "SIGTERM" && nowMs() - sinceMs > ECHO_MS)) exit(statusOf(signal));
  });
  return { signal: stop.signal, unwatch };
}

function stoppingLine(signal: SignalName, doing: string): string {
  switch (signal) {
    case "SIGINT":
      return `${doing}; Ctrl-C again stops at once`;
    case "SIGTERM":
      return `received SIGTERM: ${doing}; another SIGTERM stops at once`;
    case "SIGHUP":
      return `the terminal has closed (SIGHUP): ${doing}; SIGTERM stops at once`;
  }
}

/** Resolves when this process is asked to stop. */
export function untilAskedToStop(): Promise<SignalName> {
  return new Promise((resolve) => {
    const unwatch = onStopSignals((signal) => {
      unwatch();
      resolve(signal);
    });
  });
}
