/** Follows the lasting changes of a run's phase, for its event log and for `--log json`. */
import type { LiveRun } from "./live-run.ts";
import type { PhaseName, RunPhase } from "./phase.ts";

/** A phase that lasts, and its text: "paused: 1 of 2 required workers is connected". */
export interface LastingPhase extends RunPhase {
  text: string;
}

/**
 * Calls `onChange` with each lasting change of the phase from now on. The phases idle, stepping and evaluating, which
 * alternate several times a second, count as stepping.
 */
export function watchPhases(live: LiveRun, onChange: (phase: LastingPhase) => void): void {
  const { phase: first } = live.snapshot();
  let lastText = first && lasting(first).text;
  live.subscribe((update) => {
    if (update.type !== "event" && update.type !== "phase") return;
    const { phase } = live.snapshot(); // events begin and end phases, too
    if (phase === undefined) return;
    const now = lasting(phase);
    if (now.text === lastText) return;
    lastText = now.text;
    onChange(now);
  });
}

function lasting(phase: RunPhase): LastingPhase {
  const name = alternates(phase.name) ? "stepping" : phase.name;
  return { ...phase, name, text: phase.reason === undefined ? name : `${name}: ${phase.reason}` };
}

const alternates = (name: PhaseName) => name === "idle" || name === "evaluating";
