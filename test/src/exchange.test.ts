/** Tests the contract of Exchange with every implementation. */

import { makeConfig } from "@lockstep/config";
import { readBack, startEngine, tf } from "@lockstep/engine";
import {
  type FingerprintFacts,
  fingerprintOf,
  makeLayout,
  type Plan,
  PROTOCOL_VERSION,
  toStep,
} from "@lockstep/gradient-sync";
import type { StepTask } from "@lockstep/run";
import { defined } from "@lockstep/testing";
import {
  type BatchGradient,
  disposeContribution,
  type Exchange,
  factoredMean,
  type Gradient,
  InMemoryExchange,
  LapClock,
} from "@lockstep/training";
import { CoordinatorExchange, connect, Inbox } from "@lockstep/worker";
import { test as base, expect } from "vitest";
import { sharedExchanges } from "./examples/shared-exchange.ts";
import { listeningTeam } from "./testing/team-in-one-process.ts";

await startEngine({ backend: "cpu" });

const SLICE_ROWS = 2;
/** Three slices. */
const SAMPLES = 6;
// In float32 (1e8 + 1) − 1e8 is 0 but (1e8 − 1e8) + 1 is 1, so the order of a sum shows.
const BIASES = [1e8, 1, -1e8];

/** The weights: a kernel [2, 1] in two factors, and a bias [3]. */
const tensors: FingerprintFacts["tensors"] = [
  { name: "kernel", shape: [2, 1], dtype: "float32" },
  { name: "bias", shape: [3], dtype: "float32" },
];
const plan: Plan = { forms: ["factored", "dense"], wire: "fp32", chunkBytes: 8 };

/** The gradients of a slice, in the order of a backward pass. Row r of the factors has r in it. */
function gradientsOf(slice: number): [number, Gradient][] {
  const rows = [2 * slice, 2 * slice + 1];
  const input = tf.tensor2d(rows.map((row) => [row, row + 0.5]));
  const delta = tf.tensor2d(rows.map((row) => [-row]));
  const sum = tf.tensor1d([defined(BIASES[slice]), slice, 1]);
  return [
    [0, { form: "factored", input, delta }],
    [1, { form: "dense", sum }],
  ];
}

interface StepResult {
  bias: number[];
  /** The mean gradient. */
  kernel: number[];
  sums: [samples: number, lossSum: number, correct: number];
}

/** Computes one worker's slices of a step, and returns the update that it receives. */
async function computeStep(exchange: Exchange, task: StepTask): Promise<StepResult> {
  for await (const slice of exchange.slices(task)) {
    const sink = exchange.sink(slice);
    const number = Math.floor((slice.start - task.start) / SLICE_ROWS);
    for (const [index, gradient] of gradientsOf(number)) sink.gradient(index, gradient);
    await sink.done({ samples: slice.end - slice.start, lossSum: number + 0.25, correct: number });
  }
  const update = await exchange.update();
  const [kernel, bias] = update.gradients as [BatchGradient, Gradient & { form: "dense" }];
  const mean = meanOf(kernel, update.samples);
  const read = async (tensor: tf.Tensor) => [...(await readBack(tensor))];
  const result: StepResult = {
    bias: await read(bias.sum),
    kernel: await read(mean),
    sums: [update.samples, update.lossSum, update.correct],
  };
  disposeContribution(update);
  mean.dispose();
  return result;
}

/** Returns the mean of a gradient: dense, or computed from its factors. */
function meanOf(kernel: BatchGradient, samples: number): tf.Tensor {
  if (kernel.form === "dense") throw new Error("Expected factors of the kernel, or their mean, got a dense gradient.");
  return kernel.form === "mean" ? kernel.mean.clone() : factoredMean(kernel.input, kernel.delta, samples);
}

/** Computes a step and returns what each worker received. */
type RunStep = (task: StepTask) => Promise<StepResult[]>;

/** An exchange between workers, and what is to be closed in the end. */
interface Opened {
  runStep: RunStep;
  close?: () => Promise<void>;
}

async function inMemory(): Promise<Opened> {
  const exchange = new InMemoryExchange(SLICE_ROWS);
  return { runStep: async (task) => [await computeStep(exchange, task)] };
}

async function sharedBy(workers: number): Promise<Opened> {
  const exchanges = sharedExchanges(workers, SLICE_ROWS);
  return { runStep: (task) => Promise.all(exchanges.map((exchange) => computeStep(exchange, task))) };
}

async function throughCoordinator(workers: number): Promise<Opened> {
  const { team, server, url } = await listeningTeam(makeConfig({}), workers);
  const joined = Array.from({ length: workers }, (_, index) => join(url, `w${index}`));
  await team.until(() => team.size === workers);
  await team.begin({ plan, source: { from: "seed" }, sliceRows: SLICE_ROWS });
  const all = await Promise.all(joined);
  const close = async () => {
    team.finish();
    await Promise.all(all.map(({ connection }) => connection.close()));
    await server.close();
  };
  const runStep: RunStep = async (task) => {
    const done = team.step(task, () => {});
    const updates = all.map(async ({ inbox, exchange }) => {
      exchange.assign(await inbox.nextOfType("assign"));
      return computeStep(exchange, task);
    });
    await done;
    return Promise.all(updates);
  };
  return { runStep, close };
}

async function join(url: string, name: string) {
  const connection = await connect(url, {});
  const device = { backend: "b", libraryVersion: "v", instructionSet: "i", threads: 1, device: "d" };
  connection.send({ type: "hello", protocol: PROTOCOL_VERSION, name, ...device });
  const inbox = new Inbox(connection, () => {});
  await inbox.nextOfType("welcome");
  const facts: FingerprintFacts = {
    code: { version: "v", arithmetic: 1, draws: "d" },
    modelName: "m",
    tensors,
    stateDict: tensors.map(({ name, shape }) => ({ name, shape })),
    factorable: [true, false],
    inputShape: [1, 1, 1],
    numClasses: 2,
    classes: ["0", "1"],
    mean: [0],
    std: [1],
    trainSamples: 6,
    validationSamples: 0,
    testSamples: 0,
  };
  const speeds = { linkBytesPerSecond: await connection.linkBytesPerSecond, gemmFlopsPerSecond: 1e9 };
  connection.send({ type: "ready", fingerprint: fingerprintOf(facts, "", {}), ...facts, ...speeds, topology: "{}" });
  const layout = makeLayout(tensors, await inbox.nextOfType("start"));
  return { connection, inbox, exchange: new CoordinatorExchange(connection, inbox, layout, new LapClock()) };
}

const implementations = {
  "in memory": { workers: 1, open: inMemory },
  "of docs/extending.md, two workers": { workers: 2, open: sharedBy },
  "of docs/extending.md, more workers than slices": { workers: 4, open: sharedBy },
  "through a coordinator, one worker": { workers: 1, open: throughCoordinator },
  "through a coordinator, two workers": { workers: 2, open: throughCoordinator },
  "through a coordinator, more workers than slices": { workers: 4, open: throughCoordinator },
};
type Name = keyof typeof implementations;
const names = Object.keys(implementations) as Name[];

/** The implementations, each of which is opened once: it takes a second to connect workers. */
class Exchanges {
  readonly #opened = new Map<Name, Promise<Opened>>();
  #steps = 0;

  /** Computes the next step of a batch of `samples`, and returns what each worker received. */
  async step(name: Name, samples = SAMPLES): Promise<StepResult[]> {
    const { workers, open } = implementations[name];
    const opened = this.#opened.get(name) ?? open(workers);
    this.#opened.set(name, opened);
    const { runStep } = await opened;
    const task = { epoch: 0, step: toStep(this.#steps++), start: 0, end: samples, learningRate: 0.1 };
    const results = await runStep({ type: "step", ...task });
    expect(results).toHaveLength(workers);
    return results;
  }

  async close(): Promise<void> {
    for (const opened of this.#opened.values()) await (await opened).close?.();
  }
}

// biome-ignore lint/correctness/noEmptyPattern: Vitest reads a fixture's needs from this pattern
const test = base.extend("exchanges", { scope: "file" }, ({}, { onCleanup }) => {
  const exchanges = new Exchanges();
  onCleanup(() => exchanges.close());
  return exchanges;
});

test.for(names)(
  "the exchange %s gives every worker the sums of all slices, added in slice order",
  async (name, { exchanges }) => {
    for (const { bias, sums } of await exchanges.step(name)) {
      expect(bias).toEqual([0, 3, 3]); // (1e8 + 1) − 1e8, 0 + 1 + 2, 1 + 1 + 1
      expect(sums).toEqual([6, 3.75, 3]);
    }
  },
);

test.for(names)(
  "the exchange %s gives every worker the factors of all slices, or the mean over all rows",
  async (name, { exchanges }) => {
    for (const { kernel } of await exchanges.step(name)) {
      // −(0·0 + 1·1 + … + 5·5) / 6, and 0.5 · (0 + 1 + … + 5) / 6 more
      expect(kernel).toEqual([expect.closeTo(-55 / 6, 5), expect.closeTo(-62.5 / 6, 5)]);
    }
  },
);

test.for(names)(
  "the exchange %s takes ownership of its tensors, and keeps none after a step",
  async (name, { exchanges }) => {
    await exchanges.step(name);
    const before = tf.memory().numTensors;
    for (let step = 1; step < 4; step++) {
      const updates = await exchanges.step(name);
      expect(updates.every(({ bias }) => bias.join() === "0,3,3")).toBe(true);
    }
    expect(tf.memory().numTensors).toBe(before);
  },
);

test.for(names)("the exchange %s accepts a smaller batch of fewer slices", async (name, { exchanges }) => {
  for (const { sums } of await exchanges.step(name, 4)) expect(sums).toEqual([4, 1.5, 1]);
});
