/**
 * A worker for tests that outlives its runs, because an engine takes seconds to start. The line `NAME URL` on standard
 * input makes it join that coordinator. Ctrl-C makes it leave the run. The line `memory` makes it print its memory.
 */
import { createInterface } from "node:readline";
import { startEngine, tf } from "@lockstep/engine";
import { connect, work } from "@lockstep/worker";

const machine = { threads: 1 };
let runs = 0;

await startEngine(machine);
console.log("idle 0");
createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "memory") reportMemory();
  else void joinRun(...(line.split(" ") as [string, string]));
});

async function joinRun(name: string, coordinator: string): Promise<void> {
  const leaving = new AbortController();
  const connection = await connect(coordinator, {});
  process.removeAllListeners("SIGINT").on("SIGINT", () => leaving.abort());
  const options = { coordinator, name, join: {}, reconnectMs: 30_000, machine, log: console.log };
  await work(connection, { ...options, signal: leaving.signal });
  console.log(`idle ${++runs}`);
}

function reportMemory(): void {
  console.log(`memory ${JSON.stringify({ tensors: tf.memory().numTensors, rssBytes: process.memoryUsage.rss() })}`);
}
