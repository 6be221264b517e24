/** Builds the response of `/api/run`: the state of a run, as docs/monitoring.md describes it. */
import type { RunSnapshot } from "@lockstep/run/live";

/** Version of the report. It rises when a field changes its meaning or is removed. */
const VERSION = 1;

/** Returns the report of a run. Values that are not known yet are null. */
export function runReport(snapshot: Readonly<RunSnapshot>) {
  const { name, run, state, phase, stepsDone, recent, progress, lastStepAtMs, epochs, test, workers } = snapshot;
  const last = recent.at(-1);
  return {
    version: VERSION,
    name,
    runId: run?.derived.runId ?? null,
    state,
    phase: phase?.name ?? null,
    phaseSince: phase === undefined ? null : new Date(phase.sinceMs).toISOString(),
    phaseReason: phase?.reason ?? null,
    model: run?.derived.modelName ?? null,
    dataset: run?.dataset ?? null,
    parameters: run?.derived.parameters ?? null,
    step: stepsDone,
    steps: run?.derived.steps ?? null,
    epoch: last?.epoch ?? null,
    loss: last?.loss ?? null,
    learningRate: last?.lr ?? null,
    stepMs: last?.ms.step ?? null,
    lastStepAt: lastStepAtMs === undefined ? null : new Date(lastStepAtMs).toISOString(),
    samplesPerSecond: progress?.samplesPerSecond ?? null,
    secondsLeft: progress?.secondsLeft ?? null,
    epochs,
    test: test ?? null,
    redoneSlices: snapshot.redoneSlices,
    refused: snapshot.refused,
    workers: workers.map(({ lastSamples, slices, goneBecause = null, heartbeatAgeMs = null, ...worker }) => ({
      ...worker,
      goneBecause,
      heartbeatAgeMs,
    })),
  };
}
