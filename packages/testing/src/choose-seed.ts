/** Global setup: chooses the seed of this run of the tests, unless `LOCKSTEP_TEST_SEED` is set, and prints it. */
import { randomInt } from "node:crypto";

/** Sets the seed for the processes that run the tests. */
export function setup(): void {
  process.env["LOCKSTEP_TEST_SEED"] ??= String(randomInt(1_000_000));
  const seed = process.env["LOCKSTEP_TEST_SEED"];
  console.log(`test seed ${seed}: LOCKSTEP_TEST_SEED=${seed} draws the same cases again`);
}
