/** Lockstep's side of a pair: `pnpm coordinator` and two processes of `pnpm worker`. */
import { join } from "node:path";
import { readMetrics } from "@lockstep/run";
import { type Cleanup, temporaryDir } from "../cleanup.ts";
import { allEnded, lastLine, lockstepProgram, nodeScript, start } from "../processes.ts";
import { type LockstepTimes, timesOf } from "./lockstep-times.ts";
import { IMAGES, type PairOptions, ROWS, THREADS, WARMUP, WORKERS } from "./pair-setting.ts";
import type { Timed } from "./rounds.ts";
import type { Site } from "./site.ts";

/** Trains with a coordinator and two workers, and returns the times in the run's metrics.jsonl. */
export async function lockstepPair(site: Site, options: PairOptions, cleanup: Cleanup): Promise<LockstepTimes> {
  const { dir, remove } = temporaryDir(cleanup);
  const run = join(dir, "run");
  const env = { LOCKSTEP_TOKEN: "bench" };
  const coordinator = start(
    [...site.coordinator, ...lockstepProgram("coordinator"), ...coordinatorWords(site, options, run)],
    cleanup,
    { env },
  );
  const joining = await coordinator.prints(/pnpm worker (--coordinator \S.*)/); // the command for workers
  const workers = site.workers.map((prefix, index) => {
    const words = [...joining.trim().split(/\s+/), "--threads", `${THREADS}`, "--name", `worker-${index}`];
    return start([...prefix, ...lockstepProgram("worker"), ...words], cleanup, { env });
  });
  const [, printed = ""] = await allEnded([coordinator, ...workers]);
  const engine = /engine: (.*)/.exec(printed)?.[1] ?? "unknown";
  const times = timesOf(readMetrics(join(run, "metrics.jsonl")), engine);
  remove();
  return times;
}

function coordinatorWords({ coordinatorHost }: Site, { steps, wire }: PairOptions, run: string): string[] {
  const training = ["--dataset", "shapes", "--train-fraction", "1", "--no-test", "--batch-size", `${IMAGES}`];
  const length = ["--max-steps", `${WARMUP + steps}`, "--wire", wire, "--out", run];
  const team = ["--workers", `${WORKERS}`, "--balance", "even"];
  const where = ["--host", coordinatorHost, "--port", "0", "--tls", "none"]; // gloo does not encrypt either
  return [...team, ...where, ...training, ...length];
}

/** Measures forward and backward passes without a team, on both workers' cores at once. */
export async function lockstepAlone({ workers }: Site, steps: number, cleanup: Cleanup): Promise<Timed> {
  const processes = workers.map((prefix) =>
    start([...prefix, ...nodeScript("pairs/lockstep-alone.ts"), `${steps}`, `${ROWS}`, `${THREADS}`], cleanup),
  );
  await Promise.all(processes.map((one) => one.prints(/^ready$/m)));
  for (const { stdin } of processes) stdin.write("go\n");
  await Promise.all(processes.map((one) => one.prints(/^\{.*\}$/m))); // each keeps computing until both have measured
  for (const { stdin } of processes) stdin.end();
  const printed = await allEnded(processes);
  return { stepMs: printed.flatMap((stdout) => lastLine<Timed>(stdout).stepMs) };
}
