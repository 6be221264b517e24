/**
 * `pnpm soak`: a long run of a tiny model in which workers die and others join, again and again. Prints the memory of
 * the coordinator and of a worker that stays, and fails if it grows, or if the weights are not
 * those of an undisturbed run.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Command } from "@commander-js/extra-typings";
import { positiveNumber } from "@lockstep/config";
import { readSafetensors } from "@lockstep/formats";
import { median } from "@lockstep/run";
import { defined } from "@lockstep/testing";
import { StandbyWorker } from "../testing/pool/worker-pool.ts";
import { run, tinyModel } from "../testing/program.ts";
import { Training } from "../testing/training.ts";

const { steps: STEPS, every: EVERY_STEPS } = new Command("soak")
  .option("--steps <n>", "number of steps", positiveNumber, 20_000)
  .option("--every <n>", "steps between two deaths, each followed by a join", positiveNumber, 500)
  .parse()
  .opts();
/** Steps per window. The memory of the windows is compared, without the first. */
const WINDOW_STEPS = STEPS / 10;
const MAX_GROWTH = 0.05;
const POLL_MS = 250;

/** Memory of the processes at one time. A step in progress has additional tensors. */
interface MemorySample {
  step: number;
  coordinatorBytes: number;
  workerBytes: number;
  tensors: number;
}

const dir = mkdtempSync(join(tmpdir(), "lockstep-soak-"));
process.on("exit", () => rmSync(dir, { recursive: true, maxRetries: 10 }));
const data = ["--dataset", "shapes", "--train-fraction", "1", "--no-test", "--num-epochs", String(STEPS)];
const steps = ["--batch-size", "8", "--slice-rows", "4", "--max-steps", String(STEPS)];
const training = ["--model", tinyModel, ...data, ...steps, "--lr", "0.01", "--checkpoint-every", String(EVERY_STEPS)];
const [disturbed, undisturbed] = [join(dir, "disturbed"), join(dir, "undisturbed")];

const startMs = performance.now();
const limits = ["--workers", "2", "--heartbeat-ms", "1000"];
const soak = await Training.start([...limits, ...training], disturbed);
const samples: MemorySample[] = [];
const staying = new StandbyWorker();
const deaths = await trainWithDeaths();

const { status, stderr } = await run(["train", ...training, "--threads", "1", "--out", undisturbed]);
if (status !== 0) throw new Error(stderr);
const [one, other] = [disturbed, undisturbed].map((out) => readSafetensors(join(out, "checkpoints", nameOf(STEPS))));

const windows = Array.from({ length: STEPS / WINDOW_STEPS }, (_, index) => memoryIn(index)).slice(1);
const failures = [
  ...grown(
    "the coordinator",
    windows.map(({ coordinatorBytes }) => coordinatorBytes),
  ),
  ...grown(
    "the worker",
    windows.map(({ workerBytes }) => workerBytes),
  ),
  ...(new Set(windows.map(({ tensors }) => tensors)).size === 1 ? [] : ["the number of live tensors changed"]),
  ...(isDeepStrictEqual(defined(one).tensors, defined(other).tensors)
    ? []
    : ["the weights are not those of an undisturbed run"]),
];
for (const failure of failures) console.error(`failed: ${failure}`);
if (failures.length === 0)
  console.log(`${deaths} deaths and joins: no memory grew, and the weights are those of an undisturbed run`);
process.exit(failures.length === 0 ? 0 : 1);

/**
 * Trains to the end. After every `EVERY_STEPS` steps a worker is killed and another joins.
 * Returns the number of deaths.
 */
async function trainWithDeaths(): Promise<number> {
  let mortal = new StandbyWorker();
  await Promise.all([joinRun(staying, "staying"), joinRun(mortal, "w0")]);
  let next = new StandbyWorker();
  let deaths = 0;
  for (let step = EVERY_STEPS; step < STEPS; step += EVERY_STEPS) {
    await sampleUntil(step);
    mortal.process.child.kill("SIGKILL");
    [mortal, next] = [next, new StandbyWorker()];
    await joinRun(mortal, `w${++deaths}`);
    if (step % WINDOW_STEPS === 0) console.log(progressLine(step, deaths));
  }
  await sampleUntil(STEPS);
  await staying.ready();
  console.log(progressLine(STEPS, deaths));
  return deaths;
}

async function joinRun(worker: StandbyWorker, name: string): Promise<void> {
  await worker.ready();
  worker.join(name, `ws://127.0.0.1:${soak.port}`);
  await soak.coordinator.prints(`${name} joined`);
}

async function sampleUntil(step: number): Promise<void> {
  while (soak.steps < step) {
    const { child, stdout } = soak.coordinator;
    if (child.exitCode !== null && child.exitCode !== 0) throw new Error(`The coordinator ended:\n${stdout()}`);
    if (child.exitCode === null) await sampleMemory();
    await pause(POLL_MS);
  }
}

async function sampleMemory(): Promise<void> {
  const { rssBytes, tensors } = await staying.memory();
  samples.push({
    step: soak.steps,
    coordinatorBytes: rssOf(defined(soak.coordinator.child.pid)),
    workerBytes: rssBytes,
    tensors,
  });
}

function rssOf(pid: number): number {
  return 1024 * Number(defined(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")))[1]);
}

/** Returns the memory in a window: medians of the bytes, and the number of tensors between two steps. */
function memoryIn(window: number): Omit<MemorySample, "step"> {
  const inside = samples.filter(({ step }) => Math.floor(step / WINDOW_STEPS) === window);
  return {
    coordinatorBytes: median(inside.map(({ coordinatorBytes }) => coordinatorBytes)),
    workerBytes: median(inside.map(({ workerBytes }) => workerBytes)),
    tensors: Math.min(...inside.map(({ tensors }) => tensors)),
  };
}

function progressLine(step: number, deaths: number): string {
  const { coordinatorBytes, workerBytes, tensors } = memoryIn(step / WINDOW_STEPS - 1);
  const seconds = Math.round((performance.now() - startMs) / 1000);
  const memory = `coordinator ${inMegabytes(coordinatorBytes)} MB, worker ${inMegabytes(workerBytes)} MB, ${tensors} tensors`;
  return `step ${step}, ${deaths} deaths, ${seconds} s: ${memory}`;
}

function grown(processName: string, bytes: readonly number[]): string[] {
  const largest = Math.max(...bytes);
  if (largest <= (1 + MAX_GROWTH) * defined(bytes[0])) return [];
  return [`${processName} grew from ${inMegabytes(defined(bytes[0]))} to ${inMegabytes(largest)} MB`];
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(8, "0")}.safetensors`;
}

function inMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
