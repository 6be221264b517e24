/**
 * Sends hostile frames to a coordinator while an honest worker trains with it. Some peers never join, some join and
 * compute, and some violate the WebSocket protocol. Reports how the connections ended, whether the coordinator's memory
 * grew, and whether the weights are correct.
 */

import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { defined } from "@lockstep/errors";
import { encode, MAX_MESSAGE_BYTES, type WorkerMessage } from "@lockstep/gradient-sync";
import { hostileFrame, pick, type Random } from "@lockstep/gradient-sync/testing";
import { openSocket } from "@lockstep/transport";
import { philoxRandom } from "../simulation.ts";
import { fingerprintOfToy, HELLO, READY } from "../toy-model.ts";
import { breakProtocol } from "./break-protocol.ts";
import { HostileWorker } from "./hostile-worker.ts";
import { type LiveRun, startRun, undisturbedState, welcomeConfig } from "./live-run.ts";
import { FastClock } from "./run-clock.ts";

/** Outcome of a fuzz run. */
export interface FuzzReport {
  frames: number;
  connections: number;
  /** Number of connections by ending: an error code of the coordinator, a WebSocket close code, or `by itself`. */
  endings: Record<string, number>;
  /** Number of updates that the honest worker made meanwhile. */
  steps: number;
  /** Whether its weights are those of an undisturbed run. */
  undisturbed: boolean;
  /** Growth of this process, which also runs all peers, after the first tenth of the frames. */
  heapGrowthBytes: number;
  rssGrowthBytes: number;
}

/** Maximum growth of the heap of this process, which also runs all peers, for any number of frames. */
export const HEAP_BYTES = 32 * 2 ** 20;
/** Maximum growth of its resident memory. */
export const RSS_BYTES = 256 * 2 ** 20;

/** Returns whether a connection ended with a code of the coordinator, with a WebSocket close code, or by itself. */
const isNamed = (ending: string) => /^(ERR_[A-Z_]+|1002|1007|1008|1009|by itself)$/.test(ending);

/**
 * Returns the connections that ended without a reason more often than allowed. The close frame of one in 10,000
 * connections may be lost (1006): if a connection is closed while its peer still sends, TCP resets it and drops the
 * data in flight.
 */
export function unnamedEndings({ connections, endings }: FuzzReport): Record<string, number> {
  const unnamed = Object.entries(endings).filter(([ending]) => !isNamed(ending));
  const allowedLosses = Math.ceil(connections / 10_000);
  return Object.fromEntries(unnamed.filter(([ending, times]) => ending !== "1006" || times > allowedLosses));
}

/** Number of concurrent peers. */
const PEERS = 8;
/** Options with a fast clock, by which workers exceed their time limits soon. */
const hurried = (heartbeatMs: number) => ({ heartbeatMs, clock: new FastClock({ speed: 5, heartbeatMs }) });
/** Time after which a peer that has joined leaves, however many frames it has sent. */
const PARTICIPATION_MS = 1500;

/** Fuzzes a coordinator with hostile frames drawn from a seed. */
export async function fuzzCoordinator(
  { frames, seed }: { frames: number; seed: number },
  onProgress: (frames: number) => void = () => {},
): Promise<FuzzReport> {
  const recorded = await recordedFrames();
  const run = await startRun({ ...hurried(5000), stallMs: 20_000 });
  const endings = new Map<string, number>();
  let [sent, connections] = [0, 0];
  let before: NodeJS.MemoryUsage | undefined;
  const peers = Array.from({ length: PEERS }, async () => {
    while (sent < frames) {
      const random = philoxRandom(seed * 1_000_000 + connections++);
      const { ending, sent: more } = await pick(random, ATTACKS)({ run, random, recorded, name: `h${connections}` });
      endings.set(ending, (endings.get(ending) ?? 0) + 1);
      sent += more;
      if (sent > frames / 10) before ??= memory();
      onProgress(sent);
    }
  });
  await Promise.all(peers);
  const { steps, state } = await run.stop();
  const undisturbed = JSON.stringify(state) === JSON.stringify(undisturbedState(steps));
  await run.close();
  const after = memory();
  return {
    frames: sent,
    connections,
    endings: Object.fromEntries([...endings].sort()),
    steps,
    undisturbed,
    heapGrowthBytes: after.heapUsed - defined(before, "the memory before").heapUsed,
    rssGrowthBytes: after.rss - defined(before, "the memory before").rss,
  };
}

interface Attack {
  run: LiveRun;
  random: Random;
  recorded: readonly Buffer[];
  name: string;
}

interface Outcome {
  ending: string;
  /** Number of hostile frames sent. */
  sent: number;
}

const ATTACKS: ((attack: Attack) => Promise<Outcome>)[] = [
  babble,
  babble,
  babble,
  babble,
  participate,
  participate,
  violate,
];

/** Sends `hello` and `ready`, or only the first, or neither; then hostile frames. */
async function babble({ run, random, recorded, name }: Attack): Promise<Outcome> {
  const socket = openSocket(`ws://127.0.0.1:${run.port}`, { maxPayload: MAX_MESSAGE_BYTES });
  const closed = new Promise<string>((resolve) =>
    socket.on("close", (code, reason) => resolve(endingOf(code, reason))),
  );
  socket.on("error", () => {}); // `close` follows
  await once(socket, "open");
  const greeting = [
    { ...HELLO, name },
    { ...READY, fingerprint: fingerprintOfToy(welcomeConfig) },
  ];
  for (const message of greeting.slice(0, Math.floor(3 * random()))) socket.send(encode(message));
  const frames = 1 + Math.floor(16 * random());
  for (let i = 0; i < frames; i++) {
    socket.send(hostileFrame(random, pick(random, recorded), recorded));
    if (random() < 0.2) await pause(1); // gives the coordinator time to respond
  }
  socket.on("pong", () => socket.close(LEFT)); // the coordinator has received all frames, and tolerates them
  if (socket.readyState === socket.OPEN) socket.ping();
  return { ending: await closed, sent: frames };
}

async function participate({ run, random, recorded, name }: Attack): Promise<Outcome> {
  const frames = 1 + Math.floor(20 * random());
  const leave = () => hostile.worker.socket.close(LEFT);
  const hostile = new HostileWorker({ port: run.port, name, random, recorded, frames, leave });
  const closed = hostile.worker.closed.then(({ code, reason }) => endingOf(code, reason));
  const beating = setInterval(() => hostile.worker.beat(), 20);
  const leaving = setTimeout(leave, PARTICIPATION_MS);
  const ending = await closed;
  clearTimeout(leaving);
  clearInterval(beating);
  return { ending, sent: hostile.sent };
}

async function violate({ run, random }: Attack): Promise<Outcome> {
  const code = await breakProtocol(run.port, random);
  return { ending: endingOf(code, ""), sent: 1 };
}

/** The WebSocket code with which a peer closes its connection by itself. */
const LEFT = 4001;

function endingOf(code: number, reason: Buffer | string): string {
  if (code === LEFT || code === 1000) return "by itself"; // 1000 after `finished`
  return code === 4000 ? String(reason) : String(code);
}

/** Messages that the honest worker of a short run never sends. */
const OTHERS: WorkerMessage[] = [
  { type: "failed", code: "ERR_GPU_FAULT", reason: "It has gone." },
  { type: "leaving" },
  { type: "synced" },
  { type: "loaded", largestDifference: 0 },
  { type: "want-records", request: 0, part: "train", indexes: [3, 1, 2] },
  { ...HELLO, holds: { run: "r", step: 2 } },
];

/** Returns the frames that the honest worker sends in a short run, and one frame of each message in `OTHERS`. */
async function recordedFrames(): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  const run = await startRun({ ...hurried(1000), onFrame: (frame) => frames.push(frame) });
  await run.team.until(() => run.team.updatesMade > 20);
  await run.stop();
  await run.close();
  return [...frames.slice(0, 2000), ...OTHERS.map(encode)];
}

setFlagsFromString("--expose_gc");
const collectGarbage: () => void = runInNewContext("gc");

function memory(): NodeJS.MemoryUsage {
  collectGarbage();
  return process.memoryUsage();
}
