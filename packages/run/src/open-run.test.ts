/** Tests the run that `openRun` returns for a request, and when it creates the folder. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ExplicitOptions, makeConfig } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { writeSafetensors } from "@lockstep/formats";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { saveCheckpoint } from "./folder/checkpoint.ts";
import { atStart } from "./folder/resume-point.ts";
import { writeJson } from "./folder/run-folder.ts";
import { openRun, type RunInputs } from "./open-run.ts";
import { RunSession } from "./run-session.ts";
import { makeSchedule } from "./schedule/schedule.ts";
import { lineDisplay } from "./terminal/display.ts";
import { openPanel } from "./terminal/panel.ts";

const FACTS = {
  modelName: "M",
  topologyDigest: "d",
  parameters: 1,
  inputShape: [1, 1, 1] as [number, number, number],
  numClasses: 2,
  classes: ["a", "b"],
  mean: [0],
  std: [1],
  trainSamples: 10,
  validationSamples: 4,
  testSamples: 4,
};

let dir: string;
let out: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-open-run-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  out = join(dir, "run");
});

const passes = async (start: RunInputs) => start;
const openNew = (explicit: ExplicitOptions = {}, check = passes) =>
  openRun({ type: "new", config: makeConfig(explicit), out }, check, () => {});
const resume = (explicit: ExplicitOptions = {}) => openRun({ type: "resume", dir: out, explicit }, passes, () => {});

/** Opens, holds and starts a new run. */
async function startNew(explicit: ExplicitOptions = {}) {
  const { run } = await openNew(explicit);
  const session = await RunSession.hold(run, openPanel(lineDisplay(() => {})));
  onTestFinished(() => session.close());
  const schedule = makeSchedule(run.config, FACTS);
  const started = session.start({ facts: FACTS, schedule, machine: { threads: 3 }, arithmetic: 1, devices: [] });
  return { run, session, started };
}

async function writeWeights(): Promise<string> {
  const path = join(dir, "init.safetensors");
  await writeSafetensors(path, [{ name: "w", shape: [1], data: Float32Array.of(5) }]);
  return path;
}

describe("a new run", () => {
  test("has its folder made last: one that cannot be trained leaves none", async () => {
    const untrainable = new LockstepError("ERR_MODEL", "No layers.");
    const check = () => {
      expect(existsSync(out)).toBe(false);
      return Promise.reject(untrainable);
    };
    await expect(openNew({}, check)).rejects.toBe(untrainable);
    expect(existsSync(out)).toBe(false);
    expect((await openNew()).run.folder.dir).toBe(out);
  });

  test("is refused in the folder of another one before anything is checked", async () => {
    mkdirSync(out);
    writeFileSync(join(out, "config.json"), "{}");
    const check = () => Promise.reject(new Error("was checked"));
    await expect(openNew({}, check)).rejects.toMatchObject({ code: "ERR_RUN_EXISTS" });
  });

  test("begins with the weights of --init-from", async () => {
    const { model: start } = await openNew({ initFrom: await writeWeights() });
    expect(start.initialWeights?.get("w")?.data).toEqual(Float32Array.of(5));
  });
});

describe("a resumed run", () => {
  test("keeps its id, its machine and its options, but for those that are given", async () => {
    const { run, session } = await startNew({ numEpochs: 1, seed: 4 });
    session.close();
    const { run: again } = await resume({ numEpochs: 2 });
    expect(again.runId).toBe(run.runId);
    expect(again.saved).toMatchObject({ machine: { threads: 3 }, derived: { modelName: "M", steps: 1 } });
    expect(again.config).toEqual({ ...run.config, numEpochs: 2 });
  });

  test("goes on from its checkpoint, and not with the weights of --init-from", async () => {
    const { run, session } = await startNew({ initFrom: await writeWeights() });
    session.close();
    const [weight, velocity] = [Float32Array.of(7), Float32Array.of(0)];
    const tensors = [{ name: "w", shape: [1], weight, velocity }];
    const { progress } = atStart;
    await saveCheckpoint(run.folder.checkpoints, { step: 1, epoch: 1, seed: 0, progress, tensors }, { keep: 1 });
    const { run: again } = await resume();
    expect(again.checkpoint?.tensors).toEqual(tensors);
    expect(again.initialWeights).toBeUndefined();
  });

  test("that has no checkpoint yet begins with the weights of --init-from again", async () => {
    const { session } = await startNew({ initFrom: await writeWeights() });
    session.close();
    const { run } = await resume();
    expect(run.checkpoint).toBeUndefined();
    expect(run.initialWeights?.get("w")?.data).toEqual(Float32Array.of(5));
  });
});

describe("a session", () => {
  test("keeps others from the folder until it is closed", async () => {
    const { run, session } = await startNew();
    const panel = openPanel(lineDisplay(() => {}));
    await expect(RunSession.hold({ ...run, ...(await resume()).run }, panel)).rejects.toMatchObject({
      code: "ERR_RUN_BUSY",
    });
    session.close();
    (await RunSession.hold((await resume()).run, panel)).close();
  });

  test("keeps in the list of events that the run begins, or from where it goes on", async () => {
    const { run, session } = await startNew();
    session.close();
    const again = await RunSession.hold((await resume()).run, openPanel(lineDisplay(() => {})));
    onTestFinished(() => again.close());
    const about = { machine: {}, arithmetic: 1, devices: [], from: { ...atStart, step: 1 } };
    again.start({
      facts: FACTS,
      schedule: makeSchedule(run.config, FACTS),
      ...about,
      resumeMessage: "resuming after 1 step",
    });
    const events = readFileSync(run.folder.eventLog, "utf8").trim().split("\n");
    expect(events.map((line) => JSON.parse(line))).toMatchObject([
      { kind: "begun", text: "the run starts" },
      { kind: "resumed", text: "resuming after 1 step" },
    ]);
    expect(again.panel.live.snapshot().state).toBe("running");
  });

  test("tells of the run when it starts, and adds devices that join to config.json", async () => {
    const { run, session, started } = await startNew();
    expect(session.panel.live.snapshot()).toMatchObject({ name: "run", run: { derived: { runId: run.runId } } });
    const device = { backend: "native", libraryVersion: "2", instructionSet: "AVX", threads: 1, workers: 1 };
    started.addDevices([device]);
    const written = JSON.parse(readFileSync(run.folder.config, "utf8"));
    expect(written.derived.devices).toEqual([device]);
    writeJson(run.folder.config, {});
    started.addDevices([device]); // nothing new
    expect(readFileSync(run.folder.config, "utf8")).toBe("{}\n");
  });
});
