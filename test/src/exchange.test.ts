/** Tests the contract of Exchange with every implementation. */

import { RemoteTeam, serveSessions } from "@lockstep/coordinator";
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
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { sharedExchanges } from "./examples/shared-exchange.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

const SLICE_ROWS = 2;
const TASK: StepTask = { type: "step", epoch: 0, step: toStep(0), start: 0, end: 6, learningRate: 0.1 };
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
    for (const [index, gradient] of gradientsOf(slice.slice)) sink.gradient(index, gradient);
    await sink.done({ samples: slice.end - slice.start, lossSum: slice.slice + 0.25, correct: slice.slice });
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

/** Runs a step, and returns what each worker received. */
type RunStep = (task: StepTask) => Promise<StepResult[]>;
let close: () => Promise<void> = async () => {};
afterEach(() => close());

async function inMemory(): Promise<RunStep> {
  close = async () => {};
  const exchange = new InMemoryExchange(SLICE_ROWS);
  return async (task) => [await computeStep(exchange, task)];
}

async function sharedBy(workers: number): Promise<RunStep> {
  close = async () => {};
  const exchanges = sharedExchanges(workers, SLICE_ROWS);
  return (task) => Promise.all(exchanges.map((exchange) => computeStep(exchange, task)));
}

async function throughCoordinator(workers: number): Promise<RunStep> {
  const nowMs = () => performance.now();
  const limits = { workers, heartbeatMs: 1000, stallMs: 60_000, minWorkers: 1 };
  const team = new RemoteTeam({ ...limits, balance: "even", runId: "r", maxLogBytes: 1e6, log: () => {}, nowMs });
  const server = await serveSessions({
    listen: { host: "127.0.0.1", port: 0, anyPort: true },
    heartbeatMs: 1000,
    stallMs: 60_000,
    nowMs,
    welcome: Promise.resolve({ run: "r", config: {}, codeModel: false }),
    records: Promise.resolve(undefined),
    admission: {
      admit: (session) => team.join(session),
      onDisconnected: (session, reason) => team.disconnect(session, reason),
    },
  });
  const joined = Array.from({ length: workers }, (_, index) => join(`ws://127.0.0.1:${server.port}`, `w${index}`));
  await team.until(() => team.size === workers);
  await team.begin({ plan, source: { from: "seed" }, sliceRows: SLICE_ROWS });
  const all = await Promise.all(joined);
  close = async () => {
    team.finish();
    await Promise.all(all.map(({ connection }) => connection.close()));
    await server.close();
  };
  return async (task) => {
    const done = team.step(task, () => {});
    const updates = all.map(async ({ inbox, exchange }) => {
      exchange.assign(await inbox.nextOfType("assign"));
      return computeStep(exchange, task);
    });
    await done;
    return Promise.all(updates);
  };
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

describe.each<[string, () => Promise<RunStep>]>([
  ["in memory", inMemory],
  ["of docs/extending.md, two workers", () => sharedBy(2)],
  ["of docs/extending.md, more workers than slices", () => sharedBy(5)],
  ["through a coordinator, one worker", () => throughCoordinator(1)],
  ["through a coordinator, two workers", () => throughCoordinator(2)],
  ["through a coordinator, more workers than slices", () => throughCoordinator(5)],
])("the exchange %s", (_, make) => {
  test("gives every worker the sums of all slices, added in slice order", async () => {
    const runStep = await make();
    for (const { bias, sums } of await runStep(TASK)) {
      expect(bias).toEqual([0, 3, 3]); // (1e8 + 1) − 1e8, 0 + 1 + 2, 1 + 1 + 1
      expect(sums).toEqual([6, 3.75, 3]);
    }
  });

  test("gives every worker the factors of all slices, or the mean over all rows", async () => {
    const runStep = await make();
    for (const { kernel } of await runStep(TASK)) {
      // −(0·0 + 1·1 + … + 5·5) / 6, and 0.5 · (0 + 1 + … + 5) / 6 more
      expect(kernel).toEqual([expect.closeTo(-55 / 6, 5), expect.closeTo(-62.5 / 6, 5)]);
    }
  });

  test("takes ownership of its tensors, and keeps none after a step", async () => {
    const runStep = await make();
    await runStep(TASK);
    const before = tf.memory().numTensors;
    for (let step = 1; step < 4; step++) {
      const updates = await runStep({ ...TASK, step: toStep(step) });
      expect(updates.every(({ bias }) => bias.join() === "0,3,3")).toBe(true);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test("accepts a batch whose last slice is smaller", async () => {
    const runStep = await make();
    for (const { sums } of await runStep({ ...TASK, end: 4 })) expect(sums).toEqual([4, 1.5, 1]);
  });
});
