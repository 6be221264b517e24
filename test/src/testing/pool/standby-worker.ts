/**
 * A worker for tests that outlives its runs, because an engine takes seconds to start. A line of JSON on standard
 * input, a `JoinRequest`, makes it join a coordinator. Ctrl-C makes it leave the run. The line `memory`
 * makes it print its memory.
 */
import { createInterface } from "node:readline";
import { startEngine, tf } from "@lockstep/engine";
import { knownError } from "@lockstep/errors";
import { connect, work } from "@lockstep/worker";
import type { JoinRequest } from "./join-request.ts";

const machine = { threads: 1 };

await startEngine(machine);
console.log("idle 0");
createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "memory") reportMemory();
  else void joinRun(JSON.parse(line));
});

async function joinRun({ run, name, coordinator, mayFail, reconnectMs, model }: JoinRequest): Promise<void> {
  const leaving = new AbortController();
  const connection = await connect(coordinator, {});
  process.removeAllListeners("SIGINT").on("SIGINT", () => leaving.abort());
  const options = { coordinator, name, model, join: {}, reconnectMs, machine, log: console.log };
  await work(connection, { ...options, signal: leaving.signal }).catch((error: unknown) => {
    const known = knownError(error);
    if (!mayFail || known === undefined) throw error;
    console.log(`failure ${run} ${JSON.stringify(`${known.code}: ${known.message}`)}`);
  });
  console.log(`idle ${run}`);
}

function reportMemory(): void {
  console.log(`memory ${JSON.stringify({ tensors: tf.memory().numTensors, rssBytes: process.memoryUsage.rss() })}`);
}
