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

interface Rounds {
  rounds: number;
  steps: number;
  threads: number;
  lockstep: Side[];
  pytorch: Side[];
}

function summary({ rounds, steps, threads, lockstep, pytorch }: Rounds) {
  const ours = median(lockstep.map(medianMs));
  const theirs = pytorch.length === 0 ? undefined : median(pytorch.map(medianMs));
  const imagesPerSecond = (stepMs: number) => ((BATCH / stepMs) * 1000).toFixed(1);
  const lines = [
    `Lockstep: ${imagesPerSecond(ours)} images/s`,
    ...(theirs === undefined ? [] : [`PyTorch:  ${imagesPerSecond(theirs)} images/s`]),
    ...(theirs === undefined ? [] : [`ratio:    ${(theirs / ours).toFixed(3)} (median of ${rounds} rounds)`]),
    ...lockstep.map(memoryLine),
  ];
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

/** Steps after which the process should not grow any more. */
const SETTLED_STEPS = 50;

/** Whether live tensors stay as many, and the process as large within 5 %. */
function memoryLine({ liveTensors = [], rssMiB = [] }: Side): string {
  const tensors =
    new Set(liveTensors).size === 1
      ? `constant at ${liveTensors[0]}`
      : `NOT constant: ${Math.min(...liveTensors)} to ${Math.max(...liveTensors)}`;
  const settled = rssMiB.slice(SETTLED_STEPS);
  if (settled.length === 0)
    return `memory:   live tensors ${tensors}; --steps 100 or more shows whether the process grows`;
  const [low, high] = [Math.min(...settled), Math.max(...settled)];
  const verdict = high <= low * 1.05 ? "within 5 %" : "NOT within 5 %";
  return `memory:   live tensors ${tensors}; RSS after ${SETTLED_STEPS} steps ${low.toFixed(0)} to ${high.toFixed(0)} MiB, ${verdict}`;
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
    const { stderr, message } = error as Error & { stderr?: Buffer | null };
    const detail = stderr?.toString().trim().split("\n").at(-1) || message;
    return `${detail}. Install it with \`${python} -m pip install torch==2.13.0 numpy\`, or name another with --python.`;
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
