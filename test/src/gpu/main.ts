/**
 * Measures this machine's GPU: the doctor's checks, parity with PyTorch, steps, read-back, products and convolutions,
 * and the same in PyTorch if it is installed. test/gpu/run.sh starts it.
 */

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { MachineOptions } from "@lockstep/config";
import { type Engine, inspectMachine, startEngine } from "@lockstep/engine";
import type { LockstepError } from "@lockstep/errors";
import { median } from "@lockstep/run";
import { readFixture } from "../pytorch/fixture.ts";
import { type Comparison, compareWithPytorch, distance } from "../pytorch/parity.ts";
import { dryRun, fullRun, type Settings } from "./settings.ts";
import { measureSteps } from "./steps.ts";
import { describeThroughput, measureThroughput } from "./throughput.ts";

/** Relative tolerance, larger than the fixture's, which are for a CPU: a GPU sums in another order. */
const TOLERANCE = 1e-3;

const { values: options } = parseArgs({
  options: {
    out: { type: "string", default: "gpu.json" },
    backend: { type: "string" },
    gpu: { type: "string" },
    peak: { type: "string" },
    python: { type: "string", default: "python3" },
    "dry-run": { type: "boolean", default: false },
  },
});
const settings = options["dry-run"] ? dryRun : fullRun;
const machine: MachineOptions = {
  gpu: options.gpu === undefined ? true : Number(options.gpu),
  ...(options.backend !== undefined && { backend: options.backend as Engine["backend"] }),
};

const started = await startEngine({ ...machine, log: console.log }).catch((error: LockstepError) => error);
const { checks } = await inspectMachine();
for (const { ok, name, value, problem, remedy } of checks) {
  console.log([`${ok ? "ok" : "--"}  ${name.padEnd(14)} ${value}`, problem, remedy].filter(Boolean).join(" "));
}
if (started instanceof Error) {
  console.error(`${started.code}: ${started.message}`);
  process.exit(1);
}
const chosen = { ...machine, backend: started.backend };
await startEngine(chosen); // the doctor leaves another engine running
const parity = await measureParity(settings);
const steps = [];
for (const batch of settings.batches) {
  const figures = await measureSteps(batch, settings, chosen);
  const { bytes, medianMs, gigabytesPerSecond } = figures.readBack;
  console.log(
    `batch ${batch}: ${median(figures.stepMs).toFixed(1)} ms a step, ${figures.imagesPerSecond.toFixed(0)} images/s, ` +
      `${figures.imagesPerSecondWithoutData.toFixed(0)} without waiting for data; ` +
      `read-back ${(bytes / 1e6).toFixed(1)} MB in ${medianMs.toFixed(1)} ms, ${gigabytesPerSecond.toFixed(2)} GB/s`,
  );
  steps.push(figures);
}
const throughput = await measureThroughput(settings);
const peakTeraflops = options.peak === undefined ? undefined : Number(options.peak);
console.log(describeThroughput(throughput, peakTeraflops));
const pytorch = measurePytorch(settings);
const { version: node } = process;
const cpu = `${availableParallelism()} × ${cpus()[0]?.model}`;
const report = {
  date: new Date().toISOString(),
  node,
  cpu,
  settings,
  engine: started,
  checks,
  parity,
  steps,
  throughput,
  peakTeraflops,
};
writeFileSync(options.out, `${JSON.stringify({ ...report, pytorch }, null, 2)}\n`);
console.log(`written: ${options.out}`);
process.exitCode = parity.failed.length === 0 ? 0 : 1;

/** Compares losses, gradients and updates with those that PyTorch recorded. */
async function measureParity({ fixture }: Settings) {
  const comparisons = await compareWithPytorch(readFixture(fixture), 32, 10);
  const failed = comparisons.filter(
    (comparison) => !(distance(comparison) <= Math.max(comparison.tolerance, TOLERANCE)),
  );
  const largest = (kind: string) => Math.max(...comparisons.filter(({ what }) => what.startsWith(kind)).map(distance));
  const summary = { loss: largest("loss"), gradient: largest("gradient"), update: largest("update") };
  const shown = ({ what, actual, expected }: Comparison) => `${what}: ${actual}, PyTorch has ${expected}`;
  console.log(`parity with PyTorch: ${failed.length === 0 ? "yes" : `NO\n${failed.map(shown).join("\n")}`}`);
  console.log(`largest relative differences: ${JSON.stringify(summary)}`);
  return { compared: comparisons.length, largest: summary, failed };
}

/** Measures the same steps, products and convolutions in PyTorch on the same card, or returns why it cannot. */
function measurePytorch({ batches, steps, matmulSize, convImages }: Settings): unknown {
  const script = fileURLToPath(new URL("../../gpu/pytorch_gpu.py", import.meta.url));
  const numbers = [batches.join(), steps, matmulSize, convImages].map(String);
  const device = options["dry-run"] ? "cpu" : "cuda";
  const { status, stdout, stderr, error } = spawnSync(options.python, ["-B", script, device, ...numbers], {
    encoding: "utf8",
  });
  if (status !== 0) {
    const reason = error?.message ?? stderr.trim().split("\n").at(-1);
    console.log(`PyTorch is not measured: ${reason}`);
    return { leftOut: reason };
  }
  console.log(`PyTorch: ${stdout.trim()}`);
  return JSON.parse(stdout);
}
