/**
 * Hostile frames against a coordinator and against a worker: `pnpm fuzz --frames 1000000 --seed 1`. What it prints is
 * what became of them; it fails if anything crashed, grew, was believed, or ended without a name.
 */

import { Command, Option } from "@commander-js/extra-typings";
import { positiveNumber, wholeNumber } from "@lockstep/config";
import {
  fuzzCoordinator,
  HEAP_BYTES as MOST_HEAP_BYTES,
  RSS_BYTES,
  unnamedEndings,
} from "@lockstep/coordinator/testing";
import { startEngine } from "@lockstep/engine";
import { fuzzWorker, HEAP_BYTES } from "./fuzz-worker.ts";

const { frames, seed, only } = new Command("fuzz")
  .option("--frames <n>", "hostile frames for each side", positiveNumber, 1_000_000)
  .option("--seed <n>", "of what is drawn (default: another each time)", wholeNumber, Math.floor(Math.random() * 1e6))
  .addOption(new Option("--only <side>", "one of the two").choices(["coordinator", "worker"]))
  .parse()
  .opts();
console.log(`--frames ${frames} --seed ${seed}`);

/** Tells how far it is, once for each tenth. */
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
  expect(report.undisturbed, "the weights are not those of a run that nobody disturbs");
  expect(report.heapGrowthBytes < MOST_HEAP_BYTES, "the heap has grown");
  expect(report.rssGrowthBytes < RSS_BYTES, "the process has grown");
}
if (only !== "coordinator") {
  await startEngine({ backend: "cpu" });
  const report = await fuzzWorker({ frames, seed }, progress("worker"));
  console.log(report);
  expect(report.faithful, "a worker held weights of no whole step");
  expect(report.tensors === 0, "tensors were left");
  expect(report.heapGrowthBytes < HEAP_BYTES, "the heap has grown");
}
for (const failure of failures) console.error(`failed: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);
