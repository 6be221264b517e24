/** A whole run in simulated time: workers, the faults that happen to them, and the outcome. For tests. */

import { makeConfig } from "@lockstep/config";
import { at, defined } from "@lockstep/errors";
import { makeSchedule } from "@lockstep/run";
import { expect } from "vitest";
import { RemoteTeam } from "../team/remote-team.ts";
import { Clock, Ledger, philoxRandom, type SimulatedDevice, SimulatedWorker } from "./simulation.ts";
import { PLAN } from "./toy-model.ts";

/** Training samples of a run. */
export const SAMPLES = 22;
const config = makeConfig({ batchSize: 8, numEpochs: 4, test: true, lr: 0.05, checkpointEvery: 1 });
const sizes = { trainSamples: SAMPLES, validationSamples: 70, testSamples: 130 };
/** Slices of 2 whatever the workers are: then the weights must be equal to the bit. */
const SLICE_ROWS = 2;

/** The outcome of a simulated run. */
export interface Outcome {
  weights: number[];
  /** Number of committed steps that contained each sample, by epoch. */
  ledger: number[][];
  /** Samples of each slice, of each step. */
  slices: number[][];
  evaluated: number[];
  /** Weights and momentum of each checkpoint, or the code of the error that kept them from being had. */
  states: Promise<number[] | string>[];
  log: string[];
  /** Names of the phases, in order. */
  phases: string[];
  simulatedMs: number;
  stepMs: number[];
}

/** The workers of a simulated run, and the size of its slices. */
export interface Crew {
  workers: number;
  /** Milliseconds for a sample, by worker; those who join are as fast as the first. @default 10 each */
  msPerSample?: readonly number[];
  /** The devices of the workers; workers that join take them in turn. @default all have the same device */
  devices?: readonly SimulatedDevice[];
  /** Whether slices follow the speeds of the workers. @default they are of `SLICE_ROWS`, whoever is there */
  bySpeed?: boolean;
}

/** A fault that happens to the workers at a time. */
export type Fault = { atMs: number; happen: (workers: SimulatedWorker[], join: () => void) => void };

/** Runs four epochs in simulated time. */
export async function runWith(crew: number | Crew, faults: Fault[], seed: number): Promise<Outcome> {
  const {
    workers,
    msPerSample = [],
    devices = [],
    bySpeed = false,
  }: Crew = typeof crew === "number" ? { workers: crew } : crew;
  const clock = new Clock();
  const random = philoxRandom(seed);
  const log: string[] = [];
  const outcome: Outcome = {
    weights: [],
    ledger: [],
    slices: [],
    evaluated: [],
    states: [],
    log,
    phases: [],
    simulatedMs: 0,
    stepMs: [],
  };
  const limits = { workers, heartbeatMs: 1000, stallMs: 20_000, minWorkers: 1 };
  const team = new RemoteTeam({
    ...limits,
    runId: "r",
    maxLogBytes: 100_000,
    nowMs: () => clock.nowMs,
    balance: bySpeed ? "speed" : "even",
    log: (line) => log.push(`${Math.round(clock.nowMs)} ${line}`),
    onPhase: (name) => outcome.phases.push(name),
  });
  const ledger = new Ledger(SAMPLES);
  outcome.ledger = ledger.epochs;
  outcome.slices = ledger.slices;
  const all: SimulatedWorker[] = [];
  const join = () => {
    const device = devices[all.length % devices.length];
    const worker = new SimulatedWorker({ clock, team, runId: "r", random, ledger, device });
    worker.msPerSample = msPerSample[all.length] ?? msPerSample[0] ?? worker.msPerSample;
    all.push(worker);
    worker.join();
  };
  for (let i = 0; i < workers; i++) join();
  for (const { atMs, happen } of faults) clock.after(atMs, () => happen(all, join));
  let done = false;
  const tick = () => {
    team.tick();
    if (!done) clock.after(250, tick);
  };
  clock.after(250, tick);
  const run = trainThroughLosses(team, bySpeed ? undefined : SLICE_ROWS, outcome).then(
    () => (done = true),
    (error) => {
      done = true;
      throw error;
    },
  );
  run.catch(() => {});
  for (let events = 0; !done; events++) {
    if (events > 200_000) throw new Error(`Seed ${seed}: it does not end.\n${log.join("\n")}`);
    await clock.next();
  }
  await run;
  outcome.simulatedMs = clock.nowMs;
  const member = all.find(({ session }) => team.members.some(({ id }) => id === session.workerId));
  outcome.weights = [...defined(member, "a member").weights];
  return outcome;
}

async function trainThroughLosses(team: RemoteTeam, sliceRows: number | undefined, outcome: Outcome): Promise<void> {
  try {
    await runTasks(team, sliceRows, outcome);
  } finally {
    await Promise.all(outcome.states); // also when the run has failed
  }
}

async function runTasks(team: RemoteTeam, sliceRows: number | undefined, outcome: Outcome): Promise<void> {
  await team.begin({ plan: PLAN, source: { from: "seed" }, sliceRows });
  for (const task of makeSchedule(config, sizes).tasksFrom(0)) {
    if (task.type === "step") {
      await team.step(task, ({ samples, lossSum, ms }) => {
        if (!Number.isFinite(lossSum)) throw new Error(`The loss of step ${task.step} is not finite.`);
        expect(samples).toBe(task.end - task.start);
        outcome.stepMs.push(ms.step);
      });
    } else if (task.type === "evaluate") {
      outcome.evaluated.push(defined(await team.evaluate(task), "an evaluation").samples);
    } else if (task.type === "epoch-end") {
      await team.checkReplicas();
    } else {
      const numbers = team
        .captureState()
        .read()
        .then((state) => state.flatMap(({ weight, velocity }) => [...weight, ...velocity]));
      outcome.states.push(numbers.catch(({ code }: { code: string }) => code)); // the next steps do not wait for it
    }
  }
}

/** Draws what happens to whom and when. @param spared how many: where it is one, the weights are never lost */
export function drawnFaults(seed: number, spared = 1): Fault[] {
  const random = philoxRandom(seed + 1_000_000);
  const kinds: ((worker: SimulatedWorker) => void)[] = [
    (worker) => worker.die(20 * random()),
    (worker) => worker.die(undefined),
    (worker) => worker.leave(),
    (worker) => {
      worker.hangs = true;
    },
    (worker) => {
      worker.msPerSample *= 30;
    },
    (worker) => {
      worker.silent = true;
    },
    (worker) => {
      worker.spoiled = 1;
    },
  ];
  return Array.from({ length: 1 + Math.floor(8 * random()) }, () => {
    const [atMs, kind, who] = [4000 * random(), random(), random()];
    const happen: Fault["happen"] = (workers, join) => {
      if (kind < 0.35) return join();
      const victims = workers.slice(spared).filter(({ dead }) => !dead);
      const victim = victims[Math.floor(who * victims.length)];
      if (victim !== undefined) at(kinds, Math.floor(((kind - 0.35) / 0.65) * kinds.length))(victim);
    };
    return { atMs, happen };
  });
}

/** The phases that may follow each phase in a run that does not end. */
const NEXT_PHASES: Record<string, string[]> = {
  gathering: ["starting"],
  starting: ["idle"],
  idle: ["stepping", "evaluating"],
  stepping: ["idle"],
  evaluating: ["idle"],
};

/** Asserts that each phase may follow the one before it. */
export function assertPhasesInOrder(phases: readonly string[], context: string): void {
  expect(phases[0], context).toBe("gathering");
  for (const [i, phase] of phases.slice(1).entries()) expect(NEXT_PHASES[phases[i] ?? ""], context).toContain(phase);
  expect(phases.at(-1), context).toBe("idle");
}

/** The ledger of a run in which each sample counted once in each epoch. */
export const everySampleOnce = [0, 1, 2, 3].map(() => new Array<number>(SAMPLES).fill(1));
