/** Runs a training to its end with the workers of a pool. */

import { assertSucceeded } from "../assert-succeeded.ts";
import { type Finished, run } from "../program.ts";
import type { Training } from "../training.ts";
import type { WorkerPool } from "./worker-pool.ts";

/** Runs a command of package.json to its end, and asserts that it succeeds without a word on standard error. */
export async function succeeds(words: string[], owner?: Parameters<typeof run>[2]): Promise<Finished> {
  const finished = await run(words, {}, owner);
  assertSucceeded(finished);
  return finished;
}

/** Runs the training to its end with workers of these names, and asserts that its coordinator succeeds. */
export async function trainWithPool(
  pool: WorkerPool,
  { coordinator, url }: Training,
  names: string[],
): Promise<Finished> {
  const workers = await Promise.all(names.map(() => pool.acquire()));
  for (const [index, worker] of workers.entries()) worker.join(String(names[index]), url);
  const finished = await coordinator.finished;
  assertSucceeded(finished);
  for (const worker of workers) {
    await worker.ready();
    pool.release(worker);
  }
  return finished;
}
