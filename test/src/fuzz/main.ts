/**
 * Fuzzes a coordinator and a worker: `pnpm fuzz --frames 1000000 --seed 1`. Prints a report of each, and fails on a
 * crash, a leak, a wrong result, or a connection that ends without an error code.
 */

import { Command, Option } from "@commander-js/extra-typings";
import { positiveNumber, wholeNumber } from "@lockstep/config";

const { frames, seed, only } = new Command("fuzz")
  .option("--frames <n>", "hostile frames per side", positiveNumber, 1_000_000)
  .option("--seed <n>", "seed of the frames (default: random)", wholeNumber, Math.floor(Math.random() * 1e6))
  .addOption(new Option("--only <side>", "side to fuzz").choices(["coordinator", "worker"]))
  .parse()
  .opts();
console.log(`--frames ${frames} --seed ${seed}`);

// Loaded once the options are known to be valid, since TensorFlow.js takes seconds to load.
const { fuzzCoordinator, unnamedEndings, ...coordinatorLimits } = await import("@lockstep/coordinator/testing");
const { startEngine } = await import("@lockstep/engine");
const { fuzzWorker, HEAP_BYTES } = await import("./fuzz-worker.ts");

/** Returns a function that prints the progress after each tenth of the frames. */
function progress(side: string): (done: number) => void {
  const startMs = performance.now();
  let tenths = 0;
  return (done) => {
    if (done < ((tenths + 1) * frames) / 10) return;
    tenths = Math.floor((10 * done) / frames);
    const { heapUsed, rss } = process.memoryUsage();
    const megabytes = `heap ${Math.round(heapUsed / 1e6)} MB, resident ${Math.round(rss / 1e6)} MB`;
    console.log(`${side}: ${done} frames, ${Math.round((performance.now() - startMs) / 1000)} s, ${megabytes}`);
  };
}

const failures: string[] = [];
const expect = (isTrue: boolean, what: string) => void (isTrue || failures.push(what));

if (only !== "worker") {
  const report = await fuzzCoordinator({ frames, seed }, progress("coordinator"));
  console.log(report);
  const unnamed = Object.keys(unnamedEndings(report));
  expect(unnamed.length === 0, `connections ended with ${unnamed.join(", ")}`);
  expect(report.undisturbed, "the weights are not those of an undisturbed run");
  expect(report.heapGrowthBytes < coordinatorLimits.HEAP_BYTES, "the heap has grown");
  expect(report.rssGrowthBytes < coordinatorLimits.RSS_BYTES, "the process has grown");
}
if (only !== "coordinator") {
  await startEngine({ backend: "cpu" });
  const report = await fuzzWorker({ frames, seed }, progress("worker"));
  console.log(report);
  expect(report.faithful, "a worker held weights that are not of a complete step");
  expect(report.tensors === 0, "tensors were leaked");
  expect(report.heapGrowthBytes < HEAP_BYTES, "the heap has grown");
}
for (const failure of failures) console.error(`failed: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);
