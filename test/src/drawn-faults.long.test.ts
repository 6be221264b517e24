/**
 * Runs real processes with drawn faults. Every sample must count once per epoch, and the weights must be those of an
 * undisturbed run.
 */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { readMetrics } from "@lockstep/run";
import { defined, drawCases, seedsBelow, temporaryFolder } from "@lockstep/testing";
import { expect, test } from "vitest";
import { mulberry32 } from "./pytorch/counter-numbers.ts";
import { TcpProxy } from "./testing/network/tcp-proxy.ts";
import { type StandbyWorker, WorkerPool } from "./testing/pool/worker-pool.ts";
import { tinyModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";
import { type StepRow, stepsOf, Undisturbed } from "./testing/undisturbed.ts";

const folder = temporaryFolder();

const SCHEDULES = 20;
const SEEDS = drawCases("drawn faults of processes", seedsBelow(SCHEDULES));
/** Number of faults of a run, each at a drawn step. */
const FAULTS = 3;
const STEPS = 8;
const HEARTBEAT_MS = 300;
const limits = ["--workers", "2", "--heartbeat-ms", String(HEARTBEAT_MS)];
const options = ["--model", tinyModel, "--dataset", "shapes", "--no-test", "--num-epochs", "1000"];
/** 300 training samples: five steps per epoch, the last one smaller. The faults are in the first two epochs. */
const [TRAIN_SAMPLES, BATCH, STEPS_PER_EPOCH] = [300, 70, 5];
const epochs = ["--train-fraction", "0.03", "--batch-size", String(BATCH)];
const training = [...options, ...epochs, "--slice-rows", "5", "--lr", "0.05", "--checkpoint-every", "4"];

interface Member {
  worker: StandbyWorker;
  proxy: TcpProxy;
}

const KINDS = ["kill", "kill", "join", "join", "stop", "stop", "cut", "hold", "leave", "restart"] as const;

/** A run and its faults. */
class Schedule {
  readonly run: Training;
  readonly faultLog: string[] = [];
  readonly #random: () => number;
  readonly #pool: WorkerPool;
  readonly #connected: Member[] = [];
  readonly #left: Member[] = [];
  #joined = 0;

  constructor(seed: number, run: Training, pool: WorkerPool) {
    let drawn = 0;
    this.#random = () => mulberry32(seed, drawn++);
    this.run = run;
    this.#pool = pool;
  }

  async execute(): Promise<void> {
    await Promise.all([this.#join(), this.#join()]);
    const steps = Array.from({ length: FAULTS }, () => 1 + Math.floor((STEPS - 1) * this.#random()));
    for (const step of steps.sort((a, b) => a - b)) {
      await this.run.waitUntil(() => this.run.steps >= step);
      const kind = defined(KINDS[Math.floor(KINDS.length * this.#random())]);
      this.faultLog.push(`step ${this.run.steps}: ${kind}`);
      await this.#cause(kind);
      if (this.#connected.length === 0) await Promise.all([this.#join(), this.#join()]);
    }
    await this.run.advances(2);
    this.run.coordinator.child.kill("SIGINT");
    expect((await this.run.coordinator.finished).status).toBe(130);
    for (const { worker, proxy } of [...this.#connected, ...this.#left]) {
      worker.process.child.kill("SIGINT"); // a dropped worker may be reconnecting
      await worker.ready();
      proxy.close();
      this.#pool.release(worker);
    }
  }

  async #cause(kind: (typeof KINDS)[number]): Promise<void> {
    const index = Math.floor(this.#connected.length * this.#random());
    const { worker, proxy } = defined(this.#connected[index]);
    const { child } = worker.process;
    const whileMs = 4 * HEARTBEAT_MS * this.#random();
    switch (kind) {
      case "kill":
        child.kill("SIGKILL");
        proxy.close();
        this.#connected.splice(index, 1);
        this.#pool.replace();
        return;
      case "join":
        return this.#join();
      case "stop":
        child.kill("SIGSTOP");
        await pause(whileMs);
        child.kill("SIGCONT");
        return;
      case "cut":
        proxy.cut();
        return;
      case "hold":
        void proxy.up.hold(20_000 * this.#random());
        await pause(whileMs);
        proxy.up.release();
        return;
      case "leave":
        child.kill("SIGINT");
        this.#left.push(...this.#connected.splice(index, 1));
        return;
      case "restart":
        this.run.coordinator.child.kill("SIGKILL");
        await this.run.resume(limits);
    }
  }

  async #join(): Promise<void> {
    const [worker, proxy] = [await this.#pool.acquire(), await TcpProxy.to(this.run.port)];
    const name = `w${this.#joined++}`;
    this.#connected.push({ worker, proxy });
    worker.join(name, proxy.url);
    await this.run.coordinator.prints(`${name} joined`);
  }
}

/**
 * Returns how often each sample counted, by epoch, according to the metrics rows: step s of an epoch has the samples
 * from s · batch on, in the epoch's order.
 */
function ledgerOf(rows: readonly StepRow[]): number[][] {
  const ledger: number[][] = [];
  for (const { epoch, step, samples } of rows) {
    ledger[epoch - 1] ??= new Array<number>(TRAIN_SAMPLES).fill(0);
    const counts = defined(ledger[epoch - 1]);
    const start = (step % STEPS_PER_EPOCH) * BATCH;
    for (let sample = start; sample < start + samples; sample++) counts[sample] = (counts[sample] ?? 0) + 1;
  }
  return ledger;
}

/** Asserts that every sample counted once per epoch; in the last epoch those of the steps before the stop. */
function assertEverySampleOnce(out: string): void {
  const rows = stepsOf(out);
  const [completeEpochs, stepsLeft] = [Math.floor(rows.length / STEPS_PER_EPOCH), rows.length % STEPS_PER_EPOCH];
  const once = new Array<number>(TRAIN_SAMPLES).fill(1);
  const stopped = stepsLeft === 0 ? [] : [[...once].fill(0, stepsLeft * BATCH)];
  expect(completeEpochs).toBeGreaterThan(0);
  expect(ledgerOf(rows)).toEqual([...new Array<number[]>(completeEpochs).fill(once), ...stopped]);
  const epochs = readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type === "epoch");
  // The last validation may have been interrupted.
  expect(epochs.length).toBeGreaterThanOrEqual(completeEpochs - 1);
  expect(epochs.map(({ epoch, samples }) => [epoch, samples])).toEqual(
    Array.from({ length: epochs.length }, (_, epoch) => [epoch + 1, TRAIN_SAMPLES]),
  );
}

test(`${SEEDS.length} of ${SCHEDULES} drawn schedules of kills, joins, stops, cuts, leaves and restarts count every sample once, and end with the same weights`, async () => {
  const undisturbed = new Undisturbed(training, join(folder, "undisturbed"));
  const pool = new WorkerPool(SEEDS.length === 1 ? 3 : 4);
  const startTraining = (seed: number) => Training.start([...limits, ...training], join(folder, `seed-${seed}`));
  let next: Promise<Training> | undefined;
  for (const [index, seed] of SEEDS.entries()) {
    const schedule = new Schedule(seed, await (next ?? startTraining(seed)), pool);
    const following = SEEDS[index + 1];
    next = following === undefined ? undefined : startTraining(following); // starts while this one runs
    const { run } = schedule;
    try {
      await schedule.execute();
      assertEverySampleOnce(run.out);
      await undisturbed.assertSame(run.out);
    } catch (error) {
      throw new Error(`seed ${seed}\n${schedule.faultLog.join("\n")}\n${run.coordinator.stdout()}`, { cause: error });
    }
  }
}, 600_000);
