import { makeConfig } from "@lockstep/config";
import { makeSchedule } from "@lockstep/run";
import { describe, expect, test } from "vitest";
import { Clock, Ledger, philoxRandom, type SimulatedDevice, SimulatedWorker } from "../testing/simulation.ts";
import { PLAN } from "../testing/toy-worker.ts";
import { RemoteTeam } from "./remote-team.ts";

const SAMPLES = 22;
const config = makeConfig({ batchSize: 8, numEpochs: 4, test: true, lr: 0.05, checkpointEvery: 1 });
const sizes = { trainSamples: SAMPLES, validationSamples: 70, testSamples: 130 };
/** Slices of 2 whatever the workers are: then the weights must be equal to the bit. */
const SLICE_ROWS = 2;

interface Outcome {
  weights: number[];
  /** How often each sample was in a committed step, by epoch. */
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

/** Who is there, and how batches are cut. */
interface Crew {
  workers: number;
  /** Milliseconds for a sample, by worker; those who join are as fast as the first. @default 10 each */
  msPerSample?: readonly number[];
  /** The devices of the workers; workers that join take them in turn. @default all have the same device */
  devices?: readonly SimulatedDevice[];
  /** Whether slices follow the speeds of the workers. @default they are of `SLICE_ROWS`, whoever is there */
  bySpeed?: boolean;
}

type Fault = { atMs: number; happen: (workers: SimulatedWorker[], join: () => void) => void };

async function runWith(crew: number | Crew, faults: Fault[], seed: number): Promise<Outcome> {
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
  outcome.weights = [
    ...all.filter(({ session }) => team.members.some(({ id }) => id === session.workerId))[0]!.weights,
  ];
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
      outcome.evaluated.push((await team.evaluate(task))!.samples);
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
function drawnFaults(seed: number, spared = 1): Fault[] {
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
      if (victim !== undefined) kinds[Math.floor(((kind - 0.35) / 0.65) * kinds.length)]!(victim);
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

function assertPhasesInOrder(phases: readonly string[], context: string): void {
  expect(phases[0], context).toBe("gathering");
  for (const [i, phase] of phases.slice(1).entries()) expect(NEXT_PHASES[phases[i] ?? ""], context).toContain(phase);
  expect(phases.at(-1), context).toBe("idle");
}

const undisturbed = await runWith(1, [], 0);
const everySampleOnce = [0, 1, 2, 3].map(() => new Array<number>(SAMPLES).fill(1));

describe("a run in simulated time", () => {
  test("counts every sample once, and gives the same weights with 1, 3 and 7 workers", async () => {
    expect(undisturbed.ledger).toEqual(everySampleOnce);
    expect(undisturbed.evaluated).toEqual([70, 70, 70, 70, 130]);
    for (const workers of [3, 7]) {
      const { weights, ledger } = await runWith(workers, [], workers);
      expect(ledger).toEqual(everySampleOnce);
      expect(weights).toEqual(undisturbed.weights);
    }
  });

  test("200 drawn schedules of deaths, joins, cuts, hangs, slowness and spoiled numbers end with the same weights", async () => {
    for (let seed = 0; seed < 200; seed++) {
      const { weights, ledger, evaluated, states, log, phases } = await runWith(3, drawnFaults(seed), seed);
      const context = `seed ${seed}\n${log.join("\n")}`;
      assertPhasesInOrder(phases, context);
      expect(ledger, context).toEqual(everySampleOnce);
      expect(evaluated, context).toEqual([70, 70, 70, 70, 130]);
      expect(weights, context).toEqual(undisturbed.weights);
      for (const [i, state] of (await Promise.all(states)).entries()) {
        if (state !== "ERR_STATE_LOST") expect(state, context).toEqual(await undisturbed.states[i]);
      }
    }
  }, 120_000);

  test("200 more with slices by the speeds of unlike workers count every sample once, and end with the same weights but for rounding", async () => {
    let unequal = 0;
    for (let seed = 0; seed < 200; seed++) {
      const crew = { workers: 4, msPerSample: [10, 20, 35, 80], bySpeed: true };
      const { weights, ledger, slices, evaluated, log } = await runWith(crew, drawnFaults(seed), seed);
      const context = `seed ${seed}\n${log.join("\n")}`;
      expect(ledger, context).toEqual(everySampleOnce);
      expect(evaluated, context).toEqual([70, 70, 70, 70, 130]);
      for (const [i, weight] of weights.entries()) expect(weight, context).toBeCloseTo(undisturbed.weights[i]!, 5);
      if (slices.some((samples) => Math.max(...samples) > 1 + Math.min(...samples))) unequal++;
    }
    expect(unequal).toBe(200); // even slices differ by one sample at most
  }, 120_000);

  test("40 schedules that spare nobody end: with the same weights, or because nobody is left to go on", async () => {
    const ends = { finished: 0, ERR_ALL_LOST: 0, notFinite: 0 };
    for (let seed = 0; seed < 40; seed++) {
      const run = runWith(2, [...drawnFaults(seed, 0), ...drawnFaults(seed + 500, 0)], seed);
      await run.then(
        ({ weights, ledger, log }) => {
          ends.finished++;
          const context = `seed ${seed}\n${log.join("\n")}`;
          expect(ledger, context).toEqual(everySampleOnce);
          expect(weights, context).toEqual(undisturbed.weights);
        },
        (error: Error & { code?: string }) => {
          if (error.message.includes("is not finite"))
            ends.notFinite++; // nobody else was there to find it finite
          else if (error.code === "ERR_ALL_LOST") ends.ERR_ALL_LOST++;
          else throw error;
        },
      );
    }
    expect(Math.min(ends.finished, ends.ERR_ALL_LOST)).toBeGreaterThan(3);
  }, 120_000);

  test("40 schedules with unlike devices end: a worker that joins is called faulty for no rounding but its own", async () => {
    const devices = [
      { backend: "gpu", rounding: 2 ** -20 },
      { backend: "cpu", rounding: 0 },
    ];
    let mended = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { weights, ledger, evaluated, log } = await runWith({ workers: 2, devices }, drawnFaults(seed), seed);
      const context = `seed ${seed}\n${log.join("\n")}`;
      expect(ledger, context).toEqual(everySampleOnce);
      expect(evaluated, context).toEqual([70, 70, 70, 70, 130]);
      for (const [i, weight] of weights.entries()) expect(weight, context).toBeCloseTo(undisturbed.weights[i]!, 4);
      if (log.some((line) => line.includes(" had drifted from "))) mended++;
    }
    expect(mended).toBeGreaterThan(20);
  }, 120_000);

  test("a CPU worker that rejoins a run of a CPU and a GPU, after the only other CPU is lost, is no faulty one", async () => {
    const devices = [
      { backend: "gpu", rounding: 2 ** -20 },
      { backend: "cpu", rounding: 0 },
      { backend: "cpu", rounding: 0 },
    ];
    const faults: Fault[] = [
      { atMs: 100, happen: (workers) => workers[1]!.die(10) },
      { atMs: 150, happen: (_, join) => join() }, // gets the GPU's weights
      { atMs: 420, happen: (_, join) => [join(), join()] },
    ];
    const { ledger, log } = await runWith({ workers: 2, devices }, faults, 4);
    expect(ledger, log.join("\n")).toEqual(everySampleOnce);
  });

  test.each<[string, Partial<SimulatedWorker>, string]>([
    ["goes silent", { silent: true }, "was dropped: nothing was received from it for 3."],
    ["hangs", { hangs: true }, "it has taken 3."],
    ["becomes 400 times slower", { msPerSample: 4000 }, "it has taken 3."],
  ])("when a worker %s the same step ends within its limit and two slice times", async (_, change, line) => {
    const faults = [{ atMs: 500, happen: (workers: SimulatedWorker[]) => void Object.assign(workers[2]!, change) }];
    const { weights, log, stepMs } = await runWith(3, faults, 5);
    expect(weights).toEqual(undisturbed.weights);
    expect(log.join("\n")).toContain(line);
    // 3 s, a tick of the clock, and two times what a slice of 2 samples takes, with the way there and back.
    expect(Math.max(...stepMs)).toBeLessThan(3000 + 250 + 2 * (2 * 10 + 100) + 250);
  });

  test("when the second worker that gets a slice hangs as well, a third gets it, and the step ends within two limits", async () => {
    const hang = (worker: number) => (workers: SimulatedWorker[]) =>
      void Object.assign(workers[worker]!, { hangs: true });
    // The quicker of the two that are left gets the late slice, when nothing else is left to do: and then it hangs.
    const crew = { workers: 3, msPerSample: [40, 10, 10] };
    const faults = [
      { atMs: 500, happen: hang(1) },
      { atMs: 2500, happen: hang(2) },
    ];
    const { weights, log, stepMs } = await runWith(crew, faults, 5);
    expect(weights).toEqual(undisturbed.weights);
    const reassigned = log.flatMap((line) => /goes to (w\d+): it has taken 3\.\d s/.exec(line)?.[1] ?? []);
    expect(new Set(reassigned).size).toBe(2);
    const sliceMs = 2 * 40 + 100;
    expect(Math.max(...stepMs)).toBeGreaterThan(3000);
    expect(Math.max(...stepMs)).toBeLessThan(2 * (3000 + 250) + 2 * sliceMs + 250);
  });

  test("a worker that joins gets the weights and takes slices, and nobody waits for it", async () => {
    const { weights, log, stepMs } = await runWith(2, [{ atMs: 300, happen: (_, join) => join() }], 9);
    expect(weights).toEqual(undisturbed.weights);
    expect(log.some((line) => line.includes("has caught up and is assigned slices"))).toBe(true);
    const quiet = await runWith(2, [], 9);
    expect(Math.max(...stepMs)).toBeLessThan(2 * Math.max(...quiet.stepMs));
  });

  test("a worker whose weights are no longer those of the others is named at the end of the epoch", async () => {
    const corrupt = (workers: SimulatedWorker[]) => {
      workers[1]!.weights[4]! += 1e-6;
    };
    const run = runWith(3, [{ atMs: 200, happen: corrupt }], 3);
    await expect(run).rejects.toThrow(/ERR_REPLICA|The weights of w\d+ differ from those of w\d+/);
  });

  test("a worker whose numbers are not finite is told, and dropped the third time", async () => {
    const spoil = (workers: SimulatedWorker[]) => {
      workers[1]!.spoiled = 10;
    };
    const { weights, log } = await runWith(3, [{ atMs: 200, happen: spoil }], 3);
    expect(weights).toEqual(undisturbed.weights);
    const refusals = log.filter((line) => line.includes("was refused: Expected finite numbers"));
    expect(refusals.length).toBe(3);
    expect(log.join("\n")).toContain("was dropped: 3 of its contributions were refused");
  });

  test("two workers that lie about the same slices are dropped, and the run goes on with the one that does not", async () => {
    const spoil = (workers: SimulatedWorker[]) => {
      for (const faulty of workers.slice(1)) faulty.spoiled = Number.POSITIVE_INFINITY;
    };
    const { weights, ledger, log } = await runWith(3, [{ atMs: 200, happen: spoil }], 3);
    expect(ledger).toEqual(everySampleOnce);
    expect(weights).toEqual(undisturbed.weights);
    expect(log.filter((line) => line.includes("was dropped: 3 of its contributions were refused")).length).toBe(2);
  });

  test.each([1, 2, 7])("numbers that no worker of %i finds finite end the run within that step", async (workers) => {
    const spoil = (all: SimulatedWorker[]) => {
      for (const worker of all) worker.spoiled = Number.POSITIVE_INFINITY;
    };
    await expect(runWith(workers, [{ atMs: 200, happen: spoil }], 3)).rejects.toThrow(
      /^The loss of step \d+ is not finite/,
    );
  });
});
