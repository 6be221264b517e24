/** `pnpm bench step`: single-node steps, Lockstep's and PyTorch's in turn, each in a fresh process. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { LockstepError } from "@lockstep/errors";

const BATCH = 32;

export interface BenchStepOptions {
  rounds: number;
  steps: number;
  threads: number;
  python: string;
  json?: string;
}

interface Side {
  version: string;
  stepMs: number[];
  /** Lockstep only. */
  liveTensors?: number[];
  rssMiB?: number[];
}

export function benchStep({ rounds, steps, threads, python, json }: BenchStepOptions): void {
  const args = [String(steps), String(BATCH), String(threads)];
  const pyTorchMissing = missingTorch(python);
  if (pyTorchMissing !== undefined) console.log(`PyTorch is left out: ${pyTorchMissing}`);
  const lockstep: Side[] = [];
  const pytorch: Side[] = [];
  for (let round = 1; round <= rounds; round++) {
    lockstep.push(runSide(process.execPath, [...process.execArgv, scriptBeside("lockstep-step.ts"), ...args]));
    if (pyTorchMissing === undefined) pytorch.push(runSide(python, [scriptBeside("pytorch_step.py"), ...args]));
    const both = [lockstep, pytorch].map((side) =>
      side.length === 0 ? "—" : `${medianMs(side.at(-1)!).toFixed(1)} ms`,
    );
    console.log(`round ${round}: Lockstep ${both[0]}, PyTorch ${both[1]} (median of ${steps} steps of ${BATCH})`);
  }
  const result = summary({ rounds, steps, threads, lockstep, pytorch });
  console.log(result.lines.join("\n"));
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(result.json, null, 1)}\n`);
}

function summary({
  rounds,
  steps,
  threads,
  lockstep,
  pytorch,
}: {
  rounds: number;
  steps: number;
  threads: number;
  lockstep: Side[];
  pytorch: Side[];
}) {
  const ours = median(lockstep.map(medianMs));
  const theirs = pytorch.length === 0 ? undefined : median(pytorch.map(medianMs));
  const tensors = lockstep.flatMap((side) => side.liveTensors ?? []);
  const rss = lockstep.flatMap((side) => (side.rssMiB ?? []).slice(50));
  const lines = [`Lockstep: ${((BATCH / ours) * 1000).toFixed(1)} images/s`];
  if (theirs !== undefined) {
    lines.push(
      `PyTorch:  ${((BATCH / theirs) * 1000).toFixed(1)} images/s`,
      `ratio:    ${(theirs / ours).toFixed(3)} (median of ${rounds} rounds)`,
    );
  }
  lines.push(`live tensors: ${Math.min(...tensors)} to ${Math.max(...tensors)}`);
  if (rss.length > 0)
    lines.push(`RSS after the first 50 steps: ${Math.min(...rss).toFixed(0)} to ${Math.max(...rss).toFixed(0)} MiB`);
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, platform: process.platform };
  const json = {
    bench: "step",
    date: new Date().toISOString(),
    machine,
    setting: { model: "alexnet-cifar10", batch: BATCH, rounds, steps, threads },
    medianMs: { lockstep: ours, pytorch: theirs },
    ratio: theirs === undefined ? undefined : theirs / ours,
    raw: { lockstep, pytorch },
  };
  return { lines, json };
}

function runSide(command: string, args: string[]): Side {
  const output = execFileSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1e8,
  });
  return JSON.parse(output.trim().split("\n").at(-1)!) as Side;
}

function missingTorch(python: string): string | undefined {
  try {
    execFileSync(python, ["-c", "import torch"], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    const detail = error instanceof Error && "stderr" in error ? String(error.stderr).trim().split("\n").at(-1) : error;
    return `${detail || "it does not start"}. Install it with \`${python} -m pip install torch==2.13.0 numpy\`, or name another with --python.`;
  }
}

function scriptBeside(name: string): string {
  const url = new URL(`../bench/${name}`, import.meta.url);
  return fileURLToPath(import.meta.url.endsWith(".ts") ? url : new URL(url.href.replace(/\.ts$/, ".js")));
}

const medianMs = ({ stepMs }: Side): number => median(stepMs);

export function median(values: readonly number[]): number {
  if (values.length === 0)
    throw new LockstepError("ERR_BENCH", "Expected at least one measured value; use --steps 1 or more.");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
