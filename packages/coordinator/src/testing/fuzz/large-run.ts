/**
 * For tests: a process that runs a coordinator of a large model. It sends its port to the parent process and waits for
 * the message `begin`. Then it trains with the connected workers, reads their state every ten steps, and sends a
 * `MemoryReport`.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { toStep } from "@lockstep/gradient-sync";
import { serveSessions } from "../../connections/session-server.ts";
import { RemoteTeam } from "../../team/remote-team.ts";
import { config, LIMITS, plan, ROWS, SLICE_ROWS, STEPS } from "./large-model.ts";

/** The memory that a run used, and its log. */
export interface MemoryReport {
  /** Maximum growth of live heap and array buffers since before the workers joined. */
  liveBytes: number;
  /** Maximum growth of the resident memory since then. */
  residentBytes: number;
  log: string[];
}

setFlagsFromString("--expose_gc");
const collectGarbage: () => void = runInNewContext("gc");
const report = (message: { port: number } | MemoryReport) => process.send?.(message);

function live(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const nowMs = () => performance.now();
const log: string[] = [];
const limits = { workers: 1, minWorkers: 1, heartbeatMs: 1000, ...LIMITS };
const team = new RemoteTeam({ ...limits, balance: "even", runId: "r", nowMs, log: (line) => log.push(line) });
const server = await serveSessions({
  listen: { host: "127.0.0.1", port: 0, anyPort: false },
  heartbeatMs: limits.heartbeatMs,
  stallMs: LIMITS.stallMs,
  nowMs,
  welcome: Promise.resolve({ run: "r", config, codeModel: false }),
  records: Promise.resolve(undefined),
  admission: { admit: team.join.bind(team), onDisconnected: team.disconnect.bind(team) },
});
const ticking = setInterval(() => team.tick(), 100);
const before = { live: live(), resident: process.memoryUsage.rss() };
const most = { ...before };
const looking = setInterval(() => {
  most.live = Math.max(most.live, live());
  most.resident = Math.max(most.resident, process.memoryUsage.rss());
}, 100);

async function train(): Promise<void> {
  await team.begin({ plan, source: { from: "seed" }, sliceRows: SLICE_ROWS });
  for (let step = 0; step < STEPS; step++) {
    const state = step % 10 === 0 ? team.captureState().read() : undefined; // arrives during the step
    await team.step({ type: "step", epoch: 0, step: toStep(step), start: 0, end: ROWS, learningRate: 0.1 }, () => {});
    await state;
  }
  report({ liveBytes: most.live - before.live, residentBytes: most.resident - before.resident, log });
  clearInterval(looking);
  clearInterval(ticking);
  await server.close();
  process.disconnect();
}

process.on("message", (message) => {
  if (message === "begin") void train();
});
report({ port: server.port });
