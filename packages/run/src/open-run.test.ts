/** Tests the run that `openRun` returns for a request, and when it creates the folder. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type ExplicitOptions, makeConfig } from "@lockstep/config";
import { at, LockstepError } from "@lockstep/errors";
import { writeSafetensors } from "@lockstep/formats";
import { test as base, defined } from "@lockstep/testing";
import { expect } from "vitest";
import { saveCheckpoint } from "./folder/checkpoint.ts";
import type { RunFacts } from "./folder/derived.ts";
import { atStart } from "./folder/resume-point.ts";
import { writeJson } from "./folder/run-folder.ts";
import type { PhaseName } from "./live/phase.ts";
import { openRun, type RunInputs } from "./open-run.ts";
import { RunSession } from "./run-session.ts";
import { makeSchedule } from "./schedule/schedule.ts";
import { lineDisplay } from "./terminal/display.ts";
import { openPanel } from "./terminal/panel.ts";
import { derivedForTests } from "./testing/index.ts";

const FACTS: RunFacts = {
  modelName: "M",
  topologyDigest: "d",
  parameters: 1,
  inputShape: [1, 1, 1],
  numClasses: 2,
  classes: ["a", "b"],
  mean: [0],
  std: [1],
  trainSamples: 10,
  validationSamples: 4,
  testSamples: 4,
};

const passes = async (inputs: RunInputs) => inputs;
const noPanel = () => openPanel(lineDisplay(() => {}));

/** Tests with the fixture `runs`, which opens runs in the folder `out`. */
const test = base.extend("runs", ({ folder, onTestFinished }) => {
  const out = join(folder, "run");
  const openNew = (explicit: ExplicitOptions = {}, check = passes) =>
    openRun({ type: "new", config: makeConfig(explicit), out }, check, () => {});
  const resume = (explicit: ExplicitOptions = {}) => openRun({ type: "resume", dir: out, explicit }, passes, () => {});
  /** Opens, holds and starts a new run. */
  const startNew = async (explicit: ExplicitOptions = {}) => {
    const { run } = await openNew(explicit);
    const session = await RunSession.hold(run, noPanel());
    onTestFinished(() => session.close());
    const schedule = makeSchedule(run.config, FACTS);
    const started = session.start({ facts: FACTS, schedule, machine: { threads: 3 }, arithmetic: 1, devices: [] });
    return { run, session, started };
  };
  return { out, openNew, resume, startNew };
});

/** Writes a file of one weight, 5. */
async function writeWeights(folder: string): Promise<string> {
  const path = join(folder, "init.safetensors");
  await writeSafetensors(path, [{ name: "w", shape: [1], data: Float32Array.of(5) }]);
  return path;
}

test("a new run that cannot be trained creates no folder", async ({ runs: { out, openNew } }) => {
  const untrainable = new LockstepError("ERR_MODEL", "No layers.");
  const check = () => {
    expect(existsSync(out)).toBe(false);
    return Promise.reject(untrainable);
  };
  await expect(openNew({}, check)).rejects.toBe(untrainable);
  expect(existsSync(out)).toBe(false);
  expect((await openNew()).run.folder.dir).toBe(out);
});

test("a new run is refused in the folder of another run before anything is checked", async ({ runs }) => {
  const { out, openNew } = runs;
  mkdirSync(out);
  writeFileSync(join(out, "config.json"), "{}");
  const check = () => Promise.reject(new Error("was checked"));
  await expect(openNew({}, check)).rejects.toMatchObject({ code: "ERR_RUN_EXISTS" });
});

test("a new run starts with the weights of --init-from", async ({ runs: { openNew }, folder }) => {
  const { model } = await openNew({ initFrom: await writeWeights(folder) });
  expect(model.initialWeights?.get("w")?.data).toEqual(Float32Array.of(5));
});

test("an --out or an --init-from that cannot be used is refused before anything is checked", async ({
  runs,
  folder,
}) => {
  const { out, openNew } = runs;
  const check = () => Promise.reject(new Error("was checked"));
  const initFrom = join(folder, "none.safetensors");
  await expect(openNew({ initFrom }, check)).rejects.toMatchObject({
    code: "ERR_SAFETENSORS",
    message: `Expected --init-from to be a .safetensors file, but ${initFrom} does not exist. Correct the path, or omit --init-from.`,
  });
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, "");
  await expect(openNew({}, check)).rejects.toMatchObject({ code: "ERR_NOT_WRITABLE" });
});

test("a resumed run keeps its id, its machine and all options that are not given anew", async ({ runs }) => {
  const { resume, startNew } = runs;
  const { run, session } = await startNew({ numEpochs: 1, seed: 4 });
  session.close();
  const { run: again } = await resume({ numEpochs: 2 });
  expect(again.runId).toBe(run.runId);
  expect(again.saved).toMatchObject({ machine: { threads: 3 }, derived: { modelName: "M", steps: 1 } });
  expect(again.config).toEqual({ ...run.config, numEpochs: 2 });
});

test("a resumed run continues from its checkpoint, not with the weights of --init-from", async ({ runs, folder }) => {
  const { resume, startNew } = runs;
  const { run, session } = await startNew({ initFrom: await writeWeights(folder) });
  session.close();
  const [weight, velocity] = [Float32Array.of(7), Float32Array.of(0)];
  const tensors = [{ name: "w", shape: [1], weight, velocity }];
  const { progress } = atStart;
  await saveCheckpoint(run.folder.checkpoints, { step: 1, epoch: 1, seed: 0, progress, tensors }, { keep: 1 });
  const { run: again } = await resume();
  expect(again.checkpoint?.tensors).toEqual(tensors);
  expect(again.initialWeights).toBeUndefined();
});

test("a resumed run without a checkpoint starts again with the weights of --init-from", async ({ runs, folder }) => {
  const { resume, startNew } = runs;
  const { session } = await startNew({ initFrom: await writeWeights(folder) });
  session.close();
  const { run } = await resume();
  expect(run.checkpoint).toBeUndefined();
  expect(run.initialWeights?.get("w")?.data).toEqual(Float32Array.of(5));
});

test("a session refuses its folder to others until it is closed", async ({ runs: { resume, startNew } }) => {
  const { run, session } = await startNew();
  const panel = noPanel();
  await expect(RunSession.hold({ ...run, ...(await resume()).run }, panel)).rejects.toMatchObject({
    code: "ERR_RUN_BUSY",
  });
  session.close();
  (await RunSession.hold((await resume()).run, panel)).close();
});

test("with --log json each lasting phase of the run is an object, but none of an earlier process", async ({ runs }) => {
  const { openNew, resume } = runs;
  const objects: object[] = [];
  const display = { ...lineDisplay(() => {}), record: (_: string, fields: object) => void objects.push(fields) };
  const phases = async ({ run }: Awaited<ReturnType<typeof openNew>>, names: readonly PhaseName[]) => {
    const session = await RunSession.hold(run, openPanel(display));
    session.panel.live.event("the run starts or goes on", "begun");
    for (const name of names) session.panel.live.phase(name);
    session.panel.live.event("the run was stopped", "stopped");
    writeJson(run.folder.config, { ...run.config, machine: {}, derived: derivedForTests() });
    session.close();
    return objects.splice(0);
  };
  const expected = ["stepping", "over"].map((phase) => ({ type: "phase", phase, reason: undefined }));
  expect(await phases(await openNew(), ["stepping", "idle", "evaluating"])).toEqual(expected);
  expect(await phases(await resume(), ["stepping"])).toEqual(expected);
});

test("the list of events says when a run starts, and from where it is resumed", async ({ runs, onTestFinished }) => {
  const { resume, startNew } = runs;
  const { run, session } = await startNew();
  session.close();
  const again = await RunSession.hold((await resume()).run, noPanel());
  onTestFinished(() => again.close());
  again.start({
    facts: FACTS,
    schedule: makeSchedule(run.config, FACTS),
    machine: {},
    arithmetic: 1,
    devices: [],
    resumePoint: { ...atStart, step: 1 },
    resumeMessage: "resuming after 1 step",
  });
  const events = readFileSync(run.folder.eventLog, "utf8").trim().split("\n");
  expect(events.map((line) => JSON.parse(line))).toMatchObject([
    { kind: "begun", text: "the run starts" },
    { kind: "resumed", text: "resuming after 1 step" },
  ]);
  expect(again.panel.live.snapshot().state).toBe("running");
});

test("a run that starts is shown with its id", async ({ runs }) => {
  const { run, session } = await runs.startNew();
  expect(session.panel.live.snapshot()).toMatchObject({ name: "run", run: { derived: { runId: run.runId } } });
});

test("the event file of a run is named after the time of its start", async ({ runs }) => {
  const before = Math.floor(Date.now() / 1000);
  const { run, started } = await runs.startNew();
  started.openTraining();
  const [, seconds] = defined(/^events\.out\.tfevents\.(\d+)\./.exec(at(readdirSync(run.folder.events), 0)));
  expect(Number(seconds)).toBeGreaterThanOrEqual(before);
  expect(Number(seconds)).toBeLessThanOrEqual(Date.now() / 1000);
});

test("devices that join are added to config.json, which is written only if there is a new one", async ({ runs }) => {
  const { run, started } = await runs.startNew();
  const device = { backend: "native", libraryVersion: "2", instructionSet: "AVX", threads: 1, workers: 1 };
  started.addDevices([device]);
  const written = JSON.parse(readFileSync(run.folder.config, "utf8"));
  expect(written.derived.devices).toEqual([device]);
  writeJson(run.folder.config, {});
  started.addDevices([device]); // nothing new
  expect(readFileSync(run.folder.config, "utf8")).toBe("{}\n");
});
