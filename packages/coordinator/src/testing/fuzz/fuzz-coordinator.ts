/**
 * Sends hostile frames to a coordinator while an honest worker trains with it: by peers that never join, that join and
 * take part, and that speak no WebSocket. Tells what became of them, of the coordinator and of the run.
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
  /** Number of connections by ending: the coordinator's codes, WebSocket codes, and `by itself`. */
  endings: Record<string, number>;
  /** Updates that the honest worker made meanwhile, and whether its weights are those of a run that nobody disturbs. */
  steps: number;
  undisturbed: boolean;
  /** Growth of this process, which also runs all peers, since a tenth of the frames was sent. */
  heapGrowthBytes: number;
  rssGrowthBytes: number;
}

/** Bytes by which the heap of this process, with all peers in it, may grow for any number of frames. */
export const HEAP_BYTES = 32 * 2 ** 20;
/** Bytes by which the resident memory may grow. */
export const RSS_BYTES = 256 * 2 ** 20;

/** Whether a connection ended with the coordinator's reason, with one that WebSockets have, or was the peer's to end. */
const isNamed = (ending: string) => /^(ERR_[A-Z_]+|1002|1007|1008|1009|by itself)$/.test(ending);

/**
 * Endings without a name that are too many. In one of 10,000 connections the goodbye may be lost (1006): TCP resets a
 * connection that is closed while its peer still sends, and what was on its way with it.
 */
export function unnamedEndings({ connections, endings }: FuzzReport): Record<string, number> {
  const unnamed = Object.entries(endings).filter(([ending]) => !isNamed(ending));
  const allowedLosses = Math.ceil(connections / 10_000);
  return Object.fromEntries(unnamed.filter(([ending, times]) => ending !== "1006" || times > allowedLosses));
}

/** Peers at once. */
const PEERS = 8;
/** Options that make late workers late soon. */
const hurried = (heartbeatMs: number) => ({ heartbeatMs, clock: new FastClock({ speed: 5, heartbeatMs }) });
/** A worker that takes part leaves after this time, whatever it has sent. */
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
  /** Hostile frames. */
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

/** Says hello and ready, or less, and then nothing that makes sense. */
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
    if (random() < 0.2) await pause(1); // what was said may have been answered
  }
  socket.on("pong", () => socket.close(LEFT)); // the coordinator has received everything, and does not mind
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

/** The code with which a peer closes its connection when it goes by itself. */
const LEFT = 4001;

function endingOf(code: number, reason: Buffer | string): string {
  if (code === LEFT || code === 1000) return "by itself"; // 1000 when it was told that it may leave
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

/** All that honest workers say in a short run that one of them joins later. */
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
