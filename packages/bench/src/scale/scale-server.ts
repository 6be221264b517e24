/**
 * Measures the server of a large team:
 *
 * scale-server.ts lockstep WORKERS STEPS        the coordinator's team and its sockets, without a disk
 * scale-server.ts bare|unmasked WORKERS STEPS   bare ws sockets that move the same bytes, without decoding or summing
 *
 * Prints `port N`, and at the end {"stepMs", "cpuMs", "rssMiB"}: the times of each measured step, and the
 * peak memory of the process.
 */

import { RemoteTeam, serveSessions } from "@lockstep/coordinator";
import { at } from "@lockstep/errors";
import { toStep } from "@lockstep/gradient-sync";
import { type WebSocket, WebSocketServer } from "ws";
import { BATCH, PLAN, piecesOfAll } from "./scale-traffic.ts";

const WARMUP = 2;
const [kind, ...numbers] = process.argv.slice(2) as [string, string, string];
const [workers, steps] = numbers.map(Number) as [number, number];

const measured = { stepMs: [] as number[], cpuMs: [] as number[], rssMiB: 0 };
let last = { atMs: performance.now(), cpu: process.cpuUsage() };

/** Records the end of a step. */
function lap(step: number): void {
  const { user, system } = process.cpuUsage(last.cpu);
  const now = performance.now();
  if (step >= WARMUP) {
    measured.stepMs.push(now - last.atMs);
    measured.cpuMs.push((user + system) / 1000);
  }
  measured.rssMiB = Math.max(measured.rssMiB, process.memoryUsage.rss() / 2 ** 20);
  last = { atMs: now, cpu: process.cpuUsage() };
}

if (kind === "lockstep") await runTeam();
else await moveBytes();
console.log(JSON.stringify(measured));
process.exit(0);

async function runTeam(): Promise<void> {
  const limits = { workers, heartbeatMs: 5000, stallMs: 60_000, minWorkers: 1 };
  const quiet = { log: () => {}, nowMs: () => performance.now(), maxLogBytes: 2 ** 29 };
  const team = new RemoteTeam({ ...limits, ...quiet, balance: "even", runId: "bench" });
  const server = await serveSessions({
    listen: { host: "127.0.0.1", port: 0, anyPort: true },
    heartbeatMs: limits.heartbeatMs,
    stallMs: limits.stallMs,
    nowMs: () => performance.now(),
    welcome: Promise.resolve({ run: "bench", config: {}, codeModel: false }),
    records: Promise.resolve(undefined),
    admission: {
      admit: (session) => team.join(session),
      onDisconnected: (session, reason) => team.disconnect(session, reason),
    },
  });
  console.log(`port ${server.port}`);
  await team.until(() => team.size === workers);
  await team.begin({ plan: PLAN, source: { from: "seed" } });
  for (let step = 0; step < WARMUP + steps; step++) {
    const range = { start: step * BATCH, end: (step + 1) * BATCH };
    await team.step({ type: "step", epoch: 0, step: toStep(step), ...range, learningRate: 0.1 }, () => lap(step));
  }
}

/**
 * Relays a piece, which is `worker, index` as two 32-bit numbers and then its bytes. An empty message starts a step.
 */
async function moveBytes(): Promise<void> {
  const pieces = piecesOfAll(workers);
  const denseFrom = at(pieces, 0).findIndex(({ part }) => part === 0);
  const sums = at(pieces, 0)
    .slice(denseFrom)
    .map(({ elements }) => Buffer.alloc(8 + 4 * elements, 1));
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  const sockets: WebSocket[] = [];
  let received = sums.map(() => 0);
  let [remaining, step] = [0, 0];
  const total = pieces.reduce((sum, ofWorker) => sum + ofWorker.length, 0);
  await new Promise<void>((resolve) => {
    const beginStep = () => {
      [remaining, received] = [total, sums.map(() => 0)];
      for (const socket of sockets) socket.send(Buffer.alloc(0));
    };
    server.on("connection", (socket) => {
      sockets.push(socket);
      socket.on("message", (data: Buffer) => {
        const [worker, index] = [data.readUInt32LE(0), data.readUInt32LE(4)];
        const denseIndex = index - (at(pieces, worker).length - sums.length);
        if (denseIndex < 0) for (const other of sockets) other !== socket && other.send(data);
        else {
          received[denseIndex] = at(received, denseIndex) + 1;
          if (received[denseIndex] === workers) for (const other of sockets) other.send(at(sums, denseIndex));
        }
        if (--remaining > 0) return;
        lap(step++);
        if (step === WARMUP + steps) resolve();
        else beginStep();
      });
      if (sockets.length === workers) beginStep();
    });
    server.on("listening", () => console.log(`port ${(server.address() as { port: number }).port}`));
  });
}
