/** For tests: a whole run in simulated time, with the faults of its workers, and its outcome. */

import { makeConfig } from "@lockstep/config";
import { at, defined } from "@lockstep/errors";
import { makeSchedule } from "@lockstep/run";
import { expect } from "vitest";
import { RemoteTeam } from "../team/remote-team.ts";
import { runTasks, type TaskHandlers } from "./run-tasks.ts";
import { Clock, Ledger, philoxRandom, type SimulatedDevice, SimulatedWorker } from "./simulation.ts";
import { PLAN } from "./toy-model.ts";

/** Number of training samples of a run. */
export const SAMPLES = 22;
const config = makeConfig({ batchSize: 8, numEpochs: 4, test: true, lr: 0.05, checkpointEvery: 1 });
const sizes = { trainSamples: SAMPLES, validationSamples: 70, testSamples: 130 };
/** Slices have a fixed size of 2, so that the weights have the same bits with any workers. */
const SLICE_ROWS = 2;

/** The results that the training loop of a simulated run collects. */
interface Results {
  evaluated: number[];
  /** Weights and momentum of each checkpoint, or the code of the error with which reading them failed. */
  states: Promise<number[] | string>[];
  stepMs: number[];
}

/** The outcome of a simulated run. */
export interface Outcome extends Results {
  weights: number[];
  /** Number of committed steps that contained each sample, by epoch. */
  ledger: number[][];
  /** Samples of each slice, of each step. */
  slices: number[][];
  log: string[];
  /** Names of the phases, in order. */
  phases: string[];
  simulatedMs: number;
}

/** The workers of a simulated run, and the size of its slices. */
export interface Crew {
  workers: number;
  /** Milliseconds per sample, by worker; late joiners are as fast as the first. @default 10 each */
  msPerSample?: readonly number[];
  /** The devices of the workers; workers that join take them in turn. @default all have the same device */
  devices?: readonly SimulatedDevice[];
  /** Whether the sizes of slices follow the speeds of the workers. @default each slice has `SLICE_ROWS` rows */
  bySpeed?: boolean;
}

/** A fault that happens to the workers at a time. */
export type Fault = { atMs: number; happen: (workers: SimulatedWorker[], join: () => void) => void };

/** Runs four epochs in simulated time. */
export async function runWith(crew: number | Crew, faults: Fault[], seed: number): Promise<Outcome> {
  const run = new SimulatedRun(typeof crew === "number" ? { workers: crew } : crew, seed);
  run.plan(faults);
  await run.train();
  return run.outcome();
}

/** Number of events after which a run that has not ended counts as stuck. */
const MAX_EVENTS = 200_000;

class SimulatedRun {
  readonly #crew: Crew;
  readonly #seed: number;
  readonly #clock = new Clock();
  readonly #random: () => number;
  readonly #ledger = new Ledger(SAMPLES);
  readonly #team: RemoteTeam;
  readonly #workers: SimulatedWorker[] = [];
  readonly #log: string[] = [];
  readonly #phases: string[] = [];
  readonly #results: Results = { evaluated: [], states: [], stepMs: [] };

  constructor(crew: Crew, seed: number) {
    this.#crew = crew;
    this.#seed = seed;
    this.#random = philoxRandom(seed);
    this.#team = new RemoteTeam({
      workers: crew.workers,
      heartbeatMs: 1000,
      stallMs: 20_000,
      minWorkers: 1,
      runId: "r",
      maxLogBytes: 100_000,
      nowMs: () => this.#clock.nowMs,
      balance: crew.bySpeed ? "speed" : "even",
      log: (line) => this.#log.push(`${Math.round(this.#clock.nowMs)} ${line}`),
      onPhase: (name) => this.#phases.push(name),
    });
    for (let i = 0; i < crew.workers; i++) this.#join();
  }

  /** Schedules the faults. */
  plan(faults: readonly Fault[]): void {
    for (const { atMs, happen } of faults) this.#clock.after(atMs, () => happen(this.#workers, () => this.#join()));
  }

  /** Trains, event by event, until the run ends. */
  async train(): Promise<void> {
    let isDone = false;
    const tick = () => {
      this.#team.tick();
      if (!isDone) this.#clock.after(250, tick);
    };
    this.#clock.after(250, tick);
    const run = runAndSettle(this.#team, this.#crew.bySpeed ? undefined : SLICE_ROWS, this.#results).finally(() => {
      isDone = true;
    });
    run.catch(() => {}); // it is awaited below
    for (let events = 0; !isDone; events++) {
      if (events > MAX_EVENTS) throw new Error(`Seed ${this.#seed}: it does not end.\n${this.#log.join("\n")}`);
      await this.#clock.next();
    }
    await run;
  }

  outcome(): Outcome {
    const isMember = ({ session }: SimulatedWorker) => this.#team.members.some(({ id }) => id === session.workerId);
    return {
      ...this.#results,
      weights: [...defined(this.#workers.find(isMember), "a member").weights],
      ledger: this.#ledger.epochs,
      slices: this.#ledger.subtrees,
      log: this.#log,
      phases: this.#phases,
      simulatedMs: this.#clock.nowMs,
    };
  }

  #join(): void {
    const { msPerSample = [], devices = [] } = this.#crew;
    const id = this.#workers.length;
    const device = devices[id % devices.length];
    const shared = { clock: this.#clock, team: this.#team, runId: "r", random: this.#random, ledger: this.#ledger };
    const worker = new SimulatedWorker({ id, ...shared, device });
    worker.msPerSample = msPerSample[id] ?? msPerSample[0] ?? worker.msPerSample;
    this.#workers.push(worker);
    worker.join();
  }
}

async function runAndSettle(team: RemoteTeam, sliceRows: number | undefined, results: Results): Promise<void> {
  try {
    await team.begin({ plan: PLAN, source: { from: "seed" }, sliceRows });
    await runTasks(team, makeSchedule(config, sizes).tasksFrom(0), handlersFor(team, results));
  } finally {
    await Promise.all(results.states); // even after a failure
  }
}

/** Adds each result to `results`. */
const handlersFor = (team: RemoteTeam, { stepMs, evaluated, states }: Results): TaskHandlers => ({
  onStep({ samples, lossSum, ms }, task) {
    if (!Number.isFinite(lossSum)) throw new Error(`The loss of step ${task.step} is not finite.`);
    expect(samples).toBe(task.end - task.start);
    stepMs.push(ms.step);
  },
  onEvaluation: ({ samples }) => void evaluated.push(samples),
  onCheckpoint() {
    const numbers = team
      .captureState()
      .read()
      .then((state) => state.flatMap(({ weight, velocity }) => [...weight, ...velocity]));
    states.push(numbers.catch(({ code }: { code: string }) => code)); // the next steps do not wait for it
  },
});

/**
 * Draws random faults.
 *
 * @param spared number of workers without faults; with at least one, the weights are never lost
 */
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

/** Returns the counts of a run in which each sample counted once in each epoch. */
export const everySampleOnce = [0, 1, 2, 3].map(() => new Array<number>(SAMPLES).fill(1));
