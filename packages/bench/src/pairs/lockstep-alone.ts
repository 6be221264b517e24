/**
 * Measures a step of one worker without the team: forward and backward pass of its rows with the gradients of all
 * weights. It sends and applies nothing. Two of these processes run at once, so that each core is as busy as in a run.
 *
 * lockstep-alone.ts STEPS BATCH THREADS: prints `ready` after 5 warm-up steps, waits for a line, measures, prints one
 * JSON object, and keeps computing until its standard input ends, so that the other process stays under the same load.
 */
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { startEngine } from "@lockstep/engine";
import { tuneGarbageCollection } from "@lockstep/run";
import { computeGradients, disposeContribution, LapClock } from "@lockstep/training";
import { alexnetReplica, drawnBatch } from "../step/drawn-batch.ts";

const WARMUP = 5;
const [steps, rows, threads] = process.argv.slice(2).map(Number) as [number, number, number];

tuneGarbageCollection(); // as `pnpm worker` does
const engine = await startEngine({ threads });
const replica = await alexnetReplica({ factored: false });
const batch = drawnBatch(rows);
const clock = new LapClock();
let step = 0;

async function stepMs(): Promise<number> {
  const startMs = performance.now();
  disposeContribution(await computeGradients(replica, batch, { seed: 0, step: step++, clock }));
  return performance.now() - startMs;
}

for (let warmup = 0; warmup < WARMUP; warmup++) await stepMs();
console.log("ready");
await once(process.stdin, "data"); // both processes are ready
let isFinished = false;
process.stdin.on("end", () => (isFinished = true));
const result = { version: engine.libraryVersion, stepMs: [] as number[] };
for (let measured = 0; measured < steps; measured++) result.stepMs.push(await stepMs());
console.log(JSON.stringify(result));
while (!isFinished) {
  await stepMs();
  await setImmediate(); // lets the event loop see the end of the input
}
