/** Ctrl-C: the first asks the run to leave after its step, the second ends the process at once. */

export interface Interrupts {
  /** Has someone asked to stop? */
  requested: () => boolean;
  unwatch: () => void;
}

/** Exit status of a program that an interrupt ended: 128 + SIGINT. */
export const INTERRUPTED = 130;

export function watchInterrupts(tell: () => void): Interrupts {
  let requested = false;
  const onSignal = () => {
    if (requested) process.exit(INTERRUPTED);
    requested = true;
    tell();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    requested: () => requested,
    unwatch: () => void process.off("SIGINT", onSignal).off("SIGTERM", onSignal),
  };
}
