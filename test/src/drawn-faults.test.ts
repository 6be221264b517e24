/**
 * Twenty runs of real processes, with drawn faults: whatever happens, every sample counts once an epoch, and the weights
 * are those of an undisturbed run.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { readMetrics } from "@lockstep/run";
import { afterAll, expect, test } from "vitest";
import { mulberry32 } from "./pytorch/counter-numbers.ts";
import { tinyModel } from "./testing/program.ts";
import { type Spare, Spares } from "./testing/spares.ts";
import { Training } from "./testing/training.ts";
import { type StepRow, stepsOf, Undisturbed } from "./testing/undisturbed.ts";
import { Way } from "./testing/way.ts";

const dir = mkdtempSync(join(tmpdir(), "lockstep-drawn-"));
afterAll(() => rmSync(dir, { recursive: true, maxRetries: 10 })); // processes of a test that failed may write still

const SCHEDULES = 20;
/** Faults of a run, each at a drawn step of its first ones. */
const FAULTS = 3;
const STEPS = 8;
const HEARTBEAT_MS = 300;
const limits = ["--workers", "2", "--heartbeat-ms", String(HEARTBEAT_MS)];
const options = ["--model", tinyModel, "--dataset", "shapes", "--no-test", "--num-epochs", "1000"];
/** 300 samples to train: five steps an epoch, the last of them smaller. Faults fall into the first two epochs. */
const [TRAIN_SAMPLES, BATCH, STEPS_PER_EPOCH] = [300, 70, 5];
const epochs = ["--train-fraction", "0.03", "--batch-size", String(BATCH)];
const training = [...options, ...epochs, "--slice-rows", "5", "--lr", "0.05", "--checkpoint-every", "4"];

interface Member {
  spare: Spare;
  way: Way;
}

const KINDS = ["kill", "kill", "join", "join", "stop", "stop", "cut", "hold", "leave", "restart"] as const;

/** A run, and what happens to it. */
class Schedule {
  readonly run: Training;
  readonly told: string[] = [];
  readonly #random: () => number;
  readonly #spares: Spares;
  readonly #here: Member[] = [];
  readonly #left: Member[] = [];
  #joined = 0;

  constructor(seed: number, run: Training, spares: Spares) {
    let drawn = 0;
    this.#random = () => mulberry32(seed, drawn++);
    this.run = run;
    this.#spares = spares;
  }

  async goThrough(): Promise<void> {
    await Promise.all([this.#join(), this.#join()]);
    const steps = Array.from({ length: FAULTS }, () => 1 + Math.floor((STEPS - 1) * this.#random()));
    for (const step of steps.sort((a, b) => a - b)) {
      await this.run.until(() => this.run.steps >= step);
      const kind = KINDS[Math.floor(KINDS.length * this.#random())]!;
      this.told.push(`step ${this.run.steps}: ${kind}`);
      await this.#happen(kind);
      if (this.#here.length === 0) await Promise.all([this.#join(), this.#join()]);
    }
    await this.run.goesOn(2);
    this.run.coordinator.child.kill("SIGINT");
    expect((await this.run.coordinator.finished).status).toBe(130);
    for (const { spare, way } of [...this.#here, ...this.#left]) {
      spare.process.child.kill("SIGINT"); // one may have been dropped, and look for the coordinator
      await spare.ready();
      way.close();
      this.#spares.giveBack(spare);
    }
  }

  async #happen(kind: (typeof KINDS)[number]): Promise<void> {
    const index = Math.floor(this.#here.length * this.#random());
    const { spare, way } = this.#here[index]!;
    const { child } = spare.process;
    const whileMs = 4 * HEARTBEAT_MS * this.#random();
    switch (kind) {
      case "kill":
        child.kill("SIGKILL");
        way.close();
        this.#here.splice(index, 1);
        this.#spares.replace();
        return;
      case "join":
        return this.#join();
      case "stop":
        child.kill("SIGSTOP");
        await pause(whileMs);
        child.kill("SIGCONT");
        return;
      case "cut":
        way.cut();
        return;
      case "hold":
        void way.up.hold(20_000 * this.#random());
        await pause(whileMs);
        way.up.release();
        return;
      case "leave":
        child.kill("SIGINT");
        this.#left.push(...this.#here.splice(index, 1));
        return;
      case "restart":
        this.run.coordinator.child.kill("SIGKILL");
        await this.run.resume(limits);
    }
  }

  async #join(): Promise<void> {
    const [spare, way] = [await this.#spares.take(), await Way.to(this.run.port)];
    const name = `w${this.#joined++}`;
    this.#here.push({ spare, way });
    spare.join(name, way.url);
    await this.run.coordinator.prints(`${name} joined`);
  }
}

/**
 * How often each sample counted, by epoch, as the rows say that are written before each commit: those of an epoch's s-th
 * step lie in its order from s · batch on.
 */
function ledgerOf(rows: readonly StepRow[]): number[][] {
  const ledger: number[][] = [];
  for (const { epoch, step, samples } of rows) {
    ledger[epoch - 1] ??= new Array<number>(TRAIN_SAMPLES).fill(0);
    const counts = ledger[epoch - 1]!;
    const start = (step % STEPS_PER_EPOCH) * BATCH;
    for (let sample = start; sample < start + samples; sample++) counts[sample] = (counts[sample] ?? 0) + 1;
  }
  return ledger;
}

/** Every sample once in each epoch, but in the last one only those of the steps before it was stopped. */
function assertEverySampleOnce(out: string): void {
  const rows = stepsOf(out);
  const [whole, stepsLeft] = [Math.floor(rows.length / STEPS_PER_EPOCH), rows.length % STEPS_PER_EPOCH];
  const once = new Array<number>(TRAIN_SAMPLES).fill(1);
  const stopped = stepsLeft === 0 ? [] : [[...once].fill(0, stepsLeft * BATCH)];
  expect(whole).toBeGreaterThan(0);
  expect(ledgerOf(rows)).toEqual([...new Array<number[]>(whole).fill(once), ...stopped]);
  const epochs = readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type === "epoch");
  expect(epochs.length).toBeGreaterThanOrEqual(whole - 1); // the last one's validation may have been stopped
  expect(epochs.map(({ epoch, samples }) => [epoch, samples])).toEqual(
    Array.from({ length: epochs.length }, (_, epoch) => [epoch + 1, TRAIN_SAMPLES]),
  );
}

test(`${SCHEDULES} drawn schedules of kills, joins, stops, cuts, leaves and restarts count every sample once, and end with the same weights`, async () => {
  const undisturbed = new Undisturbed(training, join(dir, "undisturbed"));
  const spares = new Spares(4);
  const begin = (seed: number) => Training.begin([...limits, ...training], join(dir, `seed-${seed}`));
  let next = begin(0);
  for (let seed = 0; seed < SCHEDULES; seed++) {
    const schedule = new Schedule(seed, await next, spares);
    if (seed + 1 < SCHEDULES) next = begin(seed + 1); // starts meanwhile
    const { run } = schedule;
    try {
      await schedule.goThrough();
      assertEverySampleOnce(run.out);
      await undisturbed.assertSame(run.out);
    } catch (error) {
      throw new Error(`seed ${seed}\n${schedule.told.join("\n")}\n${run.coordinator.stdout()}`, { cause: error });
    }
  }
}, 600_000);
