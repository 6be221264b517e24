/** All that stops a run reaches its loop as one aborted signal. */
import { join } from "node:path";
import { makeConfig } from "@lockstep/config";
import {
  createRunFolder,
  lineDisplay,
  makeSchedule,
  openPanel,
  RunWriter,
  type SignalName,
  stopCauseOf,
  stoppedStatus,
  type Team,
  TrainingRun,
  trainLoop,
  watchInterrupts,
} from "@lockstep/run";
import { derivedForTests } from "@lockstep/run/testing";
import { temporaryFolder } from "@lockstep/testing";
import { expect, onTestFinished, test } from "vitest";
import { RecordedTeam } from "../testing/recorded-team.ts";
import { loopSignal } from "./stop.ts";

/** Waits for the signal of the loop before each task, and takes steps that compute nothing. */
class WaitingTeam implements Team {
  /** The signals that it was given, each once. */
  readonly signals = new Set<AbortSignal>();

  async assemble(signal: AbortSignal): Promise<void> {
    this.signals.add(signal);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }

  async step(...[{ start, end }, beforeCommit]: Parameters<Team["step"]>): Promise<void> {
    beforeCommit({ samples: end - start, lossSum: 1, correct: 0, ms: { step: 1 } });
  }

  async evaluate(): Promise<undefined> {}

  captureState() {
    return { read: async () => [] };
  }
}

const config = makeConfig({ batchSize: 4, numEpochs: 1 });
const SIZES = { trainSamples: 8, validationSamples: 0, testSamples: 0 };
const FILE = {
  ...config,
  machine: {},
  derived: derivedForTests({ ...SIZES, stepsPerEpoch: 2, steps: 2 }),
};

/** Begins the loop of a run of two steps, as a coordinator does, with all that may stop it. */
async function begin() {
  const workers = new RecordedTeam();
  workers.join();
  await workers.begin();
  const panel = openPanel(lineDisplay(() => {}));
  panel.live.apply({ type: "facts", name: "run", run: FILE });
  const interrupts = watchInterrupts({ doing: "stopping", log: () => {}, exit: () => {} });
  onTestFinished(interrupts.unwatch);
  const folder = createRunFolder(join(temporaryFolder(), "run"), "m", new Date(0));
  const schedule = makeSchedule(config, SIZES);
  const about = { folder, config, schedule, modelName: "M", classes: ["a", "b"], startedAt: new Date(0) };
  const writer = new RunWriter({ ...about, display: panel.display });
  const asked = AbortSignal.any([interrupts.signal, panel.controls.signal]);
  const signal = loopSignal(asked, workers.team);
  const team = new WaitingTeam();
  const ended = trainLoop(new TrainingRun({ schedule, writer }), team, signal);
  return { workers, panel, interrupts, team, signal, ended };
}

test.each<[SignalName, number]>([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
])("%s reaches the loop, which ends its step and saves, with status %i", async (name, status) => {
  const { interrupts, team, signal, ended } = await begin();
  process.emit(name, name);
  expect(await ended).toBe("interrupted");
  expect([...team.signals]).toEqual([signal]);
  expect(stopCauseOf(signal)).toEqual({ type: "signal", signal: name });
  expect(stoppedStatus(interrupts.signal)).toBe(status);
});

test("a stop from the dashboard ends the loop like Ctrl-C, with the same status", async () => {
  const { panel, interrupts, team, signal, ended } = await begin();
  panel.controls.handle({ do: "stop" });
  expect(await ended).toBe("interrupted");
  expect([...team.signals]).toEqual([signal]);
  expect(stopCauseOf(signal)).toEqual({ type: "dashboard" });
  expect(stoppedStatus(interrupts.signal)).toBe(130);
});

test("the leaving of the last worker ends the loop like Ctrl-C", async () => {
  const { workers, team, signal, ended } = await begin();
  for (const session of workers.sessions) session.deliver({ type: "leaving" });
  expect(await ended).toBe("interrupted");
  expect([...team.signals]).toEqual([signal]);
  expect(stopCauseOf(signal)).toEqual({ type: "last-worker-leaves" });
});

test("the loss of the team ends the loop with its error", async () => {
  const { workers, team, signal, ended } = await begin();
  for (const session of workers.sessions) workers.disconnect(session);
  await expect(ended).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  expect([...team.signals]).toEqual([signal]);
  expect(stopCauseOf(signal)).toMatchObject({ type: "failure", error: { code: "ERR_ALL_LOST" } });
});

test("a second cause to stop does not change the reason", async () => {
  const { workers, panel, signal, ended } = await begin();
  process.emit("SIGTERM", "SIGTERM");
  panel.controls.handle({ do: "stop" });
  for (const session of workers.sessions) workers.disconnect(session);
  expect(await ended).toBe("interrupted");
  expect(stopCauseOf(signal)).toEqual({ type: "signal", signal: "SIGTERM" });
});
