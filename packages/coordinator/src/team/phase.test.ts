/** The phases of a simulated run: who hears of them, in which order, and what events.jsonl tells of them. */
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { join as joinPath } from "node:path";
import { at } from "@lockstep/errors";
import { toStep } from "@lockstep/gradient-sync";
import { recordEvents } from "@lockstep/run";
import { LiveRun } from "@lockstep/run/live";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { Clock, Ledger, philoxRandom, SimulatedWorker } from "../testing/simulation.ts";
import { PLAN } from "../testing/toy-model.ts";
import { RemoteTeam } from "./remote-team.ts";

const SAMPLES = 22;
const VALIDATION = { type: "evaluate" as const, split: "validation" as const, samples: 70, epoch: 0, step: 0 };
const stepTask = (step: number) => {
  const start = (step % 2) * 8;
  return { type: "step" as const, step: toStep(step), epoch: 0, start, end: start + 8, learningRate: 0.05 };
};

/** A run of two workers in simulated time, and what is told of its phases. */
class SimulatedRun {
  readonly clock = new Clock();
  readonly phases: string[] = [];
  readonly lines: string[] = [];
  readonly workers: SimulatedWorker[] = [];
  readonly live = new LiveRun(undefined, () => this.clock.nowMs);
  readonly team: RemoteTeam;
  readonly #ledger = new Ledger(SAMPLES);

  /** @param eventsPath where events.jsonl is written @default nowhere */
  constructor(eventsPath?: string) {
    if (eventsPath !== undefined) recordEvents(this.live, eventsPath);
    this.team = new RemoteTeam({
      workers: 2,
      minWorkers: 2,
      heartbeatMs: 1000,
      stallMs: 20_000,
      maxLogBytes: 100_000,
      balance: "even",
      runId: "r",
      log: (line) => this.lines.push(line),
      onPhase: (name, reason) => {
        this.phases.push(reason === undefined ? name : `${name}: ${reason}`);
        this.live.phase(name, reason);
      },
      nowMs: () => this.clock.nowMs,
    });
  }

  join(): SimulatedWorker {
    const { clock, team } = this;
    const shared = { clock, team, runId: "r", random: philoxRandom(1), ledger: this.#ledger };
    const worker = new SimulatedWorker({ id: this.workers.length, ...shared });
    this.workers.push(worker);
    worker.join();
    return worker;
  }

  /** Joins two workers and begins the run. */
  async begin(): Promise<[SimulatedWorker, SimulatedWorker]> {
    const both: [SimulatedWorker, SimulatedWorker] = [this.join(), this.join()];
    await this.passUntil(this.team.begin({ plan: PLAN, source: { from: "seed" } }));
    return both;
  }

  async step(number: number): Promise<void> {
    await this.passUntil(this.startStep(number));
  }

  startStep(number: number): Promise<void> {
    return this.team.step(stepTask(number), () => {});
  }

  assemble(): Promise<void> {
    return this.team.assemble(new AbortController().signal);
  }

  /** Pauses the run by the death of a worker, until another has joined after 5 s. @returns when it paused */
  async pauseByDeath(worker: SimulatedWorker): Promise<number> {
    await this.lose(worker);
    const pausedMs = this.clock.nowMs;
    const assembled = this.assemble();
    this.clock.after(5000, () => this.join());
    await this.passUntil(assembled);
    return pausedMs;
  }

  /** Lets one of two workers die. */
  async lose(worker: SimulatedWorker): Promise<void> {
    worker.die(0);
    await this.passUntil(this.team.until(() => this.team.size === 1));
  }

  /** Lets simulated time pass, with the ticks of a coordinator, until the promise settles. */
  async passUntil<Value>(promise: Promise<Value>): Promise<Value> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const tick = () => {
      this.team.tick();
      if (!isSettled) this.clock.after(250, tick);
    };
    tick();
    for (let events = 0; !isSettled; events++) {
      if (events > 10_000 || !(await this.clock.next())) throw new Error(`It does not end.\n${this.lines.join("\n")}`);
    }
    return promise;
  }

  /** Logged lines about the whole run. */
  get runLines(): string[] {
    return this.lines.filter((line) => line.startsWith("the run"));
  }
}

test("the phases of a run follow one another from its start to its end", async () => {
  const run = new SimulatedRun();
  await run.begin();
  await run.passUntil(run.assemble());
  await run.step(0);
  await run.passUntil(run.team.evaluate(VALIDATION));
  run.team.pause("requested from the dashboard");
  run.team.resume();
  run.team.finish();
  expect(run.phases.slice(0, 7)).toEqual(["gathering", "starting", "idle", "stepping", "idle", "evaluating", "idle"]);
  expect(run.phases.slice(7)).toEqual(["paused: requested from the dashboard", "idle", "over"]);
});

test("the phases of a run show a pause from the death of one worker until another has come", async () => {
  const run = new SimulatedRun();
  const [, second] = await run.begin();
  await run.step(0);
  await run.pauseByDeath(second);
  await run.step(1);
  expect(run.phases.slice(3)).toEqual([
    "stepping",
    "idle",
    "paused: 1 of 2 required workers is connected",
    "idle",
    "stepping",
    "idle",
  ]);
  expect(run.runLines).toEqual([
    "the run pauses: 1 of 2 required workers is connected; start more workers",
    "the run continues",
  ]);
});

test("the phases of a run show the loss of all workers during a step, and the new workers are no late joiners", async () => {
  const run = new SimulatedRun();
  const { team, phases } = run;
  await run.begin();
  const lost = run.startStep(0);
  run.clock.after(30, () => {
    for (const worker of run.workers) worker.die(5);
  });
  await expect(run.passUntil(lost)).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  expect(team.phase).toEqual({ name: "lost" });
  await expect(team.evaluate(VALIDATION)).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  team.reset();
  expect(team.phase).toEqual({ name: "gathering" });
  await run.begin();
  await run.step(0);
  expect(phases.slice(3)).toEqual(["stepping", "lost", "gathering", "starting", "idle", "stepping", "idle"]);
  expect(team.updatesMade).toBe(1);
});

test("events.jsonl has the phases of a run in order, without those that alternate between tasks", async ({
  folder,
}) => {
  const path = joinPath(folder, "events.jsonl");
  const run = new SimulatedRun(path);
  run.live.event("waiting for 2 workers", "waiting");
  const [, second] = await run.begin();
  await run.step(0);
  await run.passUntil(run.team.evaluate(VALIDATION));
  const pausedMs = await run.pauseByDeath(second);
  await run.step(1);
  run.team.finish();
  run.live.event("the run is finished", "finished");
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
  expect(at(ofPhases, 3)).toMatchObject({ at: new Date(pausedMs).toISOString(), reason });
  expect(Date.parse(at(ofPhases, 4).at)).toBeGreaterThanOrEqual(Math.floor(pausedMs + 5000));
});

test("a pause that ends with the loss of all workers is reported as over when new workers have started", async () => {
  const run = new SimulatedRun();
  const [first, second] = await run.begin();
  await run.lose(second);
  const assembled = run.assemble();
  first.die(100);
  await expect(run.passUntil(assembled)).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  run.team.reset();
  await run.begin();
  await run.passUntil(run.assemble());
  expect(run.phases.slice(3)).toEqual([
    "paused: 1 of 2 required workers is connected",
    "lost",
    "gathering",
    "starting",
    "idle",
  ]);
  expect(run.runLines).toEqual([
    "the run pauses: 1 of 2 required workers is connected; start more workers",
    "the run continues",
  ]);
});

test("a run whose workers are lost while they receive the weights is lost, and does not continue from there", async () => {
  const run = new SimulatedRun();
  const worker = run.join();
  const sent = new EventEmitter();
  worker.session.drained = async () => void (await once(sent, "arrived"));
  const tensors = [
    { name: "kernel", shape: [2, 3], weight: new Float32Array(6), velocity: new Float32Array(6) },
    { name: "bias", shape: [3], weight: new Float32Array(3), velocity: new Float32Array(3) },
  ];
  const begun = run.team.begin({ plan: PLAN, source: { from: "state", tensors, step: 0 } });
  expect(run.team.phase.name).toBe("starting");
  worker.die(0);
  await run.clock.next();
  worker.session.drained = async () => {};
  sent.emit("arrived");
  await begun;
  expect(run.phases).toEqual(["gathering", "starting", "lost"]);
});
