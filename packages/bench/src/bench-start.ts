/**
 * `pnpm bench start`: the time from a bare clone to the first step, and from the start of a worker to its join.
 *
 *     pnpm bench start --rounds 3 --json start.json
 *     pnpm bench start --rounds 3 --store fresh --json start-fresh.json
 *
 * From a bare clone: `git clone` of this folder's last commit (so that stage needs no network), `pnpm install
 * --frozen-lockfile`, and `pnpm quickstart` until it prints its first step, which it prints after the second. With
 * `--store fresh` the caches of pnpm, pip and Lockstep (libtensorflow) are empty, so the network is measured too.
 *
 * A worker's start: from its process to the coordinator's line that it has joined, over the loopback interface.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StartOptions } from "@lockstep/config/programs";
import { type Cleanup, temporaryDir, withCleanup } from "./cleanup.ts";
import { lockstepProgram, start } from "./processes.ts";
import { figure } from "./results/figure.ts";
import { publish } from "./results/result.ts";

const repository = fileURLToPath(new URL("../../..", import.meta.url));

/** Seconds of each stage. */
interface FirstStep {
  clone: number;
  install: number;
  quickstart: number;
  total: number;
}

/** Measures starts, prints the figures, and writes them to a file if one is named. */
export async function benchStart({ rounds, store, json }: StartOptions): Promise<void> {
  await withCleanup(async (cleanup) => {
    const firstSteps: FirstStep[] = [];
    for (let round = 1; round <= rounds; round++) {
      const times = await bareCloneToFirstStep(store, cleanup);
      firstSteps.push(times);
      const stages = Object.entries(times).map(([stage, seconds]) => `${stage} ${seconds.toFixed(2)} s`);
      console.log(`round ${round}, from a bare clone to the first step: ${stages.join(", ")}`);
    }
    const joins = await workerJoins(rounds, cleanup);
    const seconds = (stage: keyof FirstStep) => firstSteps.map((times) => times[stage]);
    const figures = [
      figure({ id: "first-step", name: "from a bare clone to the first step", unit: "s" }, seconds("total")),
      figure({ id: "clone", name: "of that, git clone", unit: "s" }, seconds("clone")),
      figure({ id: "install", name: "of that, pnpm install", unit: "s" }, seconds("install")),
      figure(
        { id: "quickstart", name: "of that, pnpm quickstart to its first step", unit: "s" },
        seconds("quickstart"),
      ),
      figure({ id: "join", name: "from a worker's start until it has joined", unit: "s" }, joins),
    ];
    const bench = store === "machine" ? "start" : "start-fresh";
    const raw = { firstSteps, joins };
    publish({ bench, versions: {}, setting: { rounds, store }, notes: [], figures, raw }, json);
  });
}

async function bareCloneToFirstStep(store: StartOptions["store"], cleanup: Cleanup): Promise<FirstStep> {
  const { dir, remove } = temporaryDir(cleanup);
  const clone = join(dir, "clone");
  const fresh = store === "fresh";
  const emptyCaches = { LOCKSTEP_CACHE: join(dir, "cache"), PIP_NO_CACHE_DIR: "1" };
  const options = { cwd: clone, env: { CI: "true", ...(fresh && emptyCaches) } };
  const storeWords = fresh ? ["--store-dir", join(dir, "store")] : [];
  const startMs = performance.now();
  await start(["git", "clone", "--quiet", repository, clone], cleanup).ended;
  const clonedMs = performance.now();
  await start(["pnpm", "install", "--frozen-lockfile", ...storeWords], cleanup, options).ended;
  const installedMs = performance.now();
  const quickstart = start(["pnpm", "quickstart"], cleanup, options);
  await quickstart.prints(/^step +\d+\/\d+ /m);
  const steppedMs = performance.now();
  await quickstart.kill();
  remove();
  return {
    clone: (clonedMs - startMs) / 1000,
    install: (installedMs - clonedMs) / 1000,
    quickstart: (steppedMs - installedMs) / 1000,
    total: (steppedMs - startMs) / 1000,
  };
}

/** Measures the joins of one worker after another. The coordinator waits for two, so the run never starts. */
async function workerJoins(rounds: number, cleanup: Cleanup): Promise<number[]> {
  const { dir } = temporaryDir(cleanup);
  const options = ["--workers", "2", "--port", "0", "--dataset", "shapes", "--out", join(dir, "run")];
  const coordinator = start([...lockstepProgram("coordinator"), ...options], cleanup);
  const joining = await coordinator.prints(/pnpm worker (--coordinator \S.*)/);
  const joins: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const startMs = performance.now();
    const name = `joiner-${round}`;
    const worker = start([...lockstepProgram("worker"), ...joining.trim().split(/\s+/), "--name", name], cleanup);
    await Promise.race([coordinator.prints(new RegExp(`${name} joined`)), worker.ended]);
    const seconds = (performance.now() - startMs) / 1000;
    joins.push(seconds);
    console.log(`round ${round}, from a worker's start until it has joined: ${seconds.toFixed(2)} s`);
    await worker.kill();
    await coordinator.prints(new RegExp(`${name} was lost`)); // its end is noticed before the next one joins
  }
  return joins;
}
