/**
 * Two workers that train alexnet-cifar10 together, with 32 images and one thread each: Lockstep's, which are the real
 * programs, and PyTorch's, which are DistributedDataParallel over gloo.
 */
import { createServer } from "node:net";
import { join } from "node:path";
import { type MetricsRow, readMetrics } from "@lockstep/run";
import { type Cleanup, temporaryDir } from "../cleanup.ts";
import { allEnded, besideThis, lastLine, lockstepProgram, nodeScript, start } from "../processes.ts";
import { median } from "./median.ts";
import type { Timed } from "./rounds.ts";
import type { Site } from "./site.ts";

const ROWS = 32;
const WORKERS = 2;
const THREADS = 1;
/** What all benches of a pair have in common. */
export const pairSetting = {
  model: "alexnet-cifar10",
  workers: WORKERS,
  rowsPerWorker: ROWS,
  threadsPerWorker: THREADS,
};
/** Images of a step. */
export const IMAGES = WORKERS * ROWS;
/** Steps of each process that do not count. The scripts know this number too. */
const WARMUP = 5;

export interface PairOptions {
  /** Measured steps. */
  steps: number;
  wire: "fp32" | "bf16";
}

export interface LockstepTimes extends Timed {
  /** What computed: `native TensorFlow 2.21.0, CPU …`. */
  engine: string;
  /** Of one worker in one step; the median. */
  bytesUp: number;
  bytesDown: number;
  /** The median of each part of a step's row: `ms.step`, `worker-0.ms.forward`, … */
  parts: Record<string, number>;
}

/** A run of `pnpm coordinator` and two of `pnpm worker`; its times are those of the run's metrics.jsonl. */
export async function lockstepPair(
  { workers, coordinator, coordinatorHost }: Site,
  { steps, wire }: PairOptions,
  cleanup: Cleanup,
): Promise<LockstepTimes> {
  const { dir, remove } = temporaryDir(cleanup);
  const run = join(dir, "run");
  const training = ["--dataset", "shapes", "--train-fraction", "1", "--no-test", "--batch-size", `${IMAGES}`];
  const length = ["--max-steps", `${WARMUP + steps}`, "--wire", wire, "--out", run];
  const team = ["--workers", `${WORKERS}`, "--balance", "even"];
  const where = ["--host", coordinatorHost, "--port", "0", "--tls", "none"]; // gloo does not encrypt either
  const env = { LOCKSTEP_TOKEN: "bench" };
  const conductor = start(
    [...coordinator, ...lockstepProgram("coordinator"), ...team, ...where, ...training, ...length],
    cleanup,
    { env },
  );
  const [, joining] = await conductor.prints(/pnpm worker (--coordinator \S.*)/); // as it tells people to join it
  const computing = workers.map((place, index) => {
    const options = ["--threads", `${THREADS}`, "--name", `worker-${index}`];
    const joiningWords = joining!.trim().split(/\s+/);
    return start([...place, ...lockstepProgram("worker"), ...joiningWords, ...options], cleanup, { env });
  });
  const [, printed] = await allEnded([conductor, ...computing]);
  const engine = /engine: (.*)/.exec(printed!)?.[1] ?? "unknown";
  const times = timesOf(readMetrics(join(run, "metrics.jsonl")), engine);
  remove();
  return times;
}

/** What a run's rows tell, without the steps of the warm-up. */
export function timesOf(rows: readonly MetricsRow[], engine: string): LockstepTimes {
  const steps = rows.filter((row) => row.type === "step").filter(({ step }) => step >= WARMUP);
  const workers = steps.flatMap(({ workers = [] }) => workers);
  return {
    stepMs: steps.map(({ ms }) => ms.step),
    engine,
    bytesUp: median(workers.map(({ bytesUp }) => bytesUp)),
    bytesDown: median(workers.map(({ bytesDown }) => bytesDown)),
    parts: partMedians(steps),
  };
}

/** The median of every number in `ms`, and in whatever records a worker's part of the row has. */
function partMedians(steps: readonly Extract<MetricsRow, { type: "step" }>[]): Record<string, number> {
  const values = new Map<string, number[]>();
  const note = (name: string, parts: object) => {
    for (const [part, value] of Object.entries(parts)) {
      if (typeof value !== "number") continue;
      values.set(`${name}.${part}`, [...(values.get(`${name}.${part}`) ?? []), value]);
    }
  };
  for (const { ms, workers = [] } of steps) {
    note("ms", ms);
    for (const { name, ...worker } of workers)
      for (const [group, parts] of Object.entries(worker))
        if (typeof parts === "object" && parts !== null) note(`${name}.${group}`, parts);
  }
  return Object.fromEntries([...values].map(([name, all]) => [name, median(all)]));
}

export interface PytorchTimes extends Timed {
  version: string;
}

/** With --wire bf16 PyTorch's gradients are halved too, by the one hook of its own that does it over gloo: to fp16. */
export async function pytorchPair(
  { workers, ddpHost, ddpInterface }: Site,
  { steps, wire, python }: PairOptions & { python: string },
  cleanup: Cleanup,
): Promise<PytorchTimes> {
  const script = besideThis("pytorch/pytorch_ddp.py");
  const meeting = [ddpHost, `${await freePort()}`, ddpInterface];
  const ranks = workers.map((place, rank) => {
    const options = [
      `${rank}`,
      `${WORKERS}`,
      ...meeting,
      `${steps}`,
      `${ROWS}`,
      `${THREADS}`,
      wire === "bf16" ? "fp16" : wire,
    ];
    return start([...place, python, "-B", script, ...options], cleanup);
  });
  const [printed] = await allEnded(ranks);
  return lastLine<PytorchTimes>(printed!);
}

/** Forward and backward alone, on both workers' cores at once. */
export async function lockstepAlone({ workers }: Site, steps: number, cleanup: Cleanup): Promise<Timed> {
  const both = workers.map((place) =>
    start([...place, ...nodeScript("pairs/lockstep-alone.ts"), `${steps}`, `${ROWS}`, `${THREADS}`], cleanup),
  );
  await Promise.all(both.map(({ prints }) => prints(/^ready$/m)));
  for (const { child } of both) child.stdin!.write("go\n");
  await Promise.all(both.map(({ prints }) => prints(/^\{.*\}$/m))); // each goes on until both have measured
  for (const { child } of both) child.stdin!.end();
  const printed = await allEnded(both);
  return { stepMs: printed.flatMap((stdout) => lastLine<Timed>(stdout).stepMs) };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
