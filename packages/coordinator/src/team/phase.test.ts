/** The phases of a simulated run: who hears of them, in which order, and what events.jsonl tells of them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { toStep } from "@lockstep/gradient-sync";
import { recordEvents } from "@lockstep/run";
import { LiveRun } from "@lockstep/run/live";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { Clock, Ledger, philoxRandom, SimulatedWorker } from "../testing/simulation.ts";
import { PLAN } from "../testing/toy-model.ts";
import { RemoteTeam } from "./remote-team.ts";

const SAMPLES = 22;
const VALIDATION = { type: "evaluate" as const, split: "validation" as const, samples: 70, epoch: 0, step: 0 };
const stepTask = (step: number) => {
  const start = (step % 2) * 8;
  return { type: "step" as const, step: toStep(step), epoch: 0, start, end: start + 8, learningRate: 0.05 };
};

let clock: Clock;
let phases: string[];
let live: LiveRun;
let lines: string[];
let team: RemoteTeam;
let workers: SimulatedWorker[];
let ledger: Ledger;
beforeEach(() => {
  [clock, phases, lines, workers, ledger] = [new Clock(), [], [], [], new Ledger(SAMPLES)];
  live = new LiveRun(undefined, () => clock.nowMs);
  team = openTeam();
});

const openTeam = () =>
  new RemoteTeam({
    workers: 2,
    minWorkers: 2,
    heartbeatMs: 1000,
    stallMs: 20_000,
    maxLogBytes: 100_000,
    balance: "even",
    runId: "r",
    log: (line) => lines.push(line),
    onPhase: (name, reason) => {
      phases.push(reason === undefined ? name : `${name}: ${reason}`);
      live.phase(name, reason);
    },
    nowMs: () => clock.nowMs,
  });

function join(): SimulatedWorker {
  const worker = new SimulatedWorker({ clock, team, runId: "r", random: philoxRandom(1), ledger });
  workers.push(worker);
  worker.join();
  return worker;
}

const begin = () => team.begin({ plan: PLAN, source: { from: "seed" } });
const assemble = () => team.assemble(new AbortController().signal);
const step = (number: number) => team.step(stepTask(number), () => {});

/** Lets simulated time pass, with the ticks of a coordinator, until the promise settles. */
async function passUntil<Value>(promise: Promise<Value>): Promise<Value> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  promise.then(settle, settle);
  const tick = () => {
    team.tick();
    if (!isSettled) clock.after(250, tick);
  };
  tick();
  for (let events = 0; !isSettled; events++) {
    if (events > 10_000 || !(await clock.next())) throw new Error(`It does not end.\n${lines.join("\n")}`);
  }
  return promise;
}

describe("the phases of a simulated run", () => {
  test("follow one another from its begin to its end", async () => {
    join();
    join();
    await passUntil(begin());
    await passUntil(assemble());
    await passUntil(step(0));
    await passUntil(team.evaluate(VALIDATION));
    team.pause("requested from the dashboard");
    team.resume();
    team.finish();
    expect(phases.slice(0, 7)).toEqual(["gathering", "starting", "idle", "stepping", "idle", "evaluating", "idle"]);
    expect(phases.slice(7)).toEqual(["paused: requested from the dashboard", "idle", "over"]);
  });

  test("show a pause from the death of one worker until another has come", async () => {
    const [, second] = [join(), join()];
    await passUntil(begin());
    await passUntil(step(0));
    second?.die(0);
    await passUntil(team.until(() => team.size === 1));
    const assembled = assemble();
    clock.after(5000, join);
    await passUntil(assembled);
    await passUntil(step(1));
    expect(phases.slice(3)).toEqual([
      "stepping",
      "idle",
      "paused: 1 of 2 required workers is connected",
      "idle",
      "stepping",
      "idle",
    ]);
    expect(lines.filter((line) => line.startsWith("the run"))).toEqual([
      "the run pauses: 1 of 2 required workers is connected; start more workers",
      "the run continues",
    ]);
  });

  test("show that all are lost in mid-step until others begin again, who are no late joiners", async () => {
    join();
    join();
    await passUntil(begin());
    const lost = step(0);
    clock.after(30, () => {
      for (const worker of workers) worker.die(5);
    });
    await expect(passUntil(lost)).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
    expect(team.phase).toEqual({ name: "lost" });
    await expect(team.evaluate(VALIDATION)).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
    team.reset();
    expect(team.phase).toEqual({ name: "gathering" });
    join();
    join();
    await passUntil(begin());
    await passUntil(step(0));
    expect(phases.slice(3)).toEqual(["stepping", "lost", "gathering", "starting", "idle", "stepping", "idle"]);
    expect(team.updatesMade).toBe(1);
  });
});

test("events.jsonl tells the phases of a simulated run in order, without those that alternate between tasks", async () => {
  const dir = mkdtempSync(joinPath(tmpdir(), "lockstep-phases-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const path = joinPath(dir, "events.jsonl");
  live = new LiveRun(undefined, () => clock.nowMs);
  recordEvents(live, path);
  team = openTeam(); // as the coordinator opens it: the folder is held already
  live.event("waiting for 2 workers", "waiting");
  const [, second] = [join(), join()];
  await passUntil(begin());
  await passUntil(step(0));
  await passUntil(team.evaluate(VALIDATION));
  second?.die(0);
  await passUntil(team.until(() => team.size === 1));
  const pausedAtMs = clock.nowMs;
  const assembled = assemble();
  clock.after(5000, join);
  await passUntil(assembled);
  await passUntil(step(1));
  team.finish();
  live.event("the run is finished", "finished");
  const events = readFileSync(path, "utf8").trimEnd().split("\n");
  const ofPhases = events.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "phase");
  const reason = "1 of 2 required workers is connected";
  expect(ofPhases.map(({ phase }) => phase)).toEqual([
    "gathering",
    "starting",
    "stepping",
    "paused",
    "stepping",
    "over",
  ]);
  expect(ofPhases[3]).toMatchObject({ at: new Date(pausedAtMs).toISOString(), reason });
  expect(Date.parse(ofPhases[4].at)).toBeGreaterThanOrEqual(Math.floor(pausedAtMs + 5000));
});

test("a pause that ends with the loss of all is said to be over when others have begun again", async () => {
  const [first, second] = [join(), join()];
  await passUntil(begin());
  second?.die(0);
  await passUntil(team.until(() => team.size === 1));
  const assembled = assemble();
  first?.die(100);
  await expect(passUntil(assembled)).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  team.reset();
  join();
  join();
  await passUntil(begin());
  await passUntil(assemble());
  expect(phases.slice(3)).toEqual([
    "paused: 1 of 2 required workers is connected",
    "lost",
    "gathering",
    "starting",
    "idle",
  ]);
  expect(lines.filter((line) => line.startsWith("the run"))).toEqual([
    "the run pauses: 1 of 2 required workers is connected; start more workers",
    "the run continues",
  ]);
});

test("a run whose workers are lost while they are sent the weights is lost, and does not go on from there", async () => {
  const worker = join();
  let arrived = () => {};
  worker.session.drained = () =>
    new Promise((resolve) => {
      arrived = resolve;
    });
  const tensors = [
    { name: "kernel", shape: [2, 3], weight: new Float32Array(6), velocity: new Float32Array(6) },
    { name: "bias", shape: [3], weight: new Float32Array(3), velocity: new Float32Array(3) },
  ];
  const begun = team.begin({ plan: PLAN, source: { from: "state", tensors, step: 0 } });
  expect(team.phase.name).toBe("starting");
  worker.die(0);
  await clock.next();
  worker.session.drained = async () => {};
  arrived();
  await begun;
  expect(phases).toEqual(["gathering", "starting", "lost"]);
});
