/**
 * Fuzzes a worker with the frames of an honest coordinator, some of them damaged, others out of order. Frames that do
 * not decode end the connection; the others reach a participant with a real model.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import {
  type CoordinatorMessage,
  decodeFromCoordinator,
  encode,
  toStep,
  toSubtreeId,
  toWorkerId,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { hostileFrame, pick, type Random, relabelled } from "@lockstep/gradient-sync/testing";
import { uniforms } from "@lockstep/random";
import { defined } from "@lockstep/testing";
import { type Connection, Dismissed, Inbox, Participant } from "@lockstep/worker";
import { freshRun, type RecordedRun, recordRun } from "./recorded-run.ts";

/** Outcome of a fuzz run. */
export interface WorkerFuzzReport {
  /** Number of hostile frames. */
  frames: number;
  /** Number of messages that were delivered. */
  messages: number;
  /** Number of sessions by the code with which they ended. */
  endings: Record<string, number>;
  /** Whether sessions with reordered honest messages only gave digests of an honest worker. */
  faithful: boolean;
  /** Number of leaked tensors. */
  tensors: number;
  heapGrowthBytes: number;
}

/** Bytes by which the heap may grow, for any number of frames. */
export const HEAP_BYTES = 32 * 2 ** 20;

/** Messages that the honest run does not contain. */
const OTHERS: CoordinatorMessage[] = [
  { type: "withdrawn", step: toStep(1), subtree: toSubtreeId(0), attempt: 0, again: [0, 16] },
  {
    type: "rejected",
    step: toStep(1),
    subtree: toSubtreeId(0),
    attempt: 0,
    code: "ERR_NOT_FINITE",
    reason: "It is not.",
  },
  { type: "refused", code: "ERR_STRIKES", reason: "Three times." },
  { type: "evaluate", request: 7, part: "validation", start: 0, end: 10 },
  { type: "welcome", workerId: toWorkerId(0), heartbeatMs: 1000, run: "r", config: {}, codeModel: false },
  { type: "link-probe", data: new Uint8Array(8) },
  { type: "records", request: 0, data: new Uint8Array(8), crc32: 1 },
  { type: "sync" },
];

/** Fuzzes a worker with `frames` hostile frames drawn from `seed`. */
export async function fuzzWorker(
  { frames, seed }: { frames: number; seed: number },
  onProgress: (frames: number) => void = () => {},
): Promise<WorkerFuzzReport> {
  const honest = await recordRun();
  const pool = [...honest.frames, ...OTHERS.map(encode)];
  const participant = new Participant(await freshRun(), () => {});
  const report = { frames: 0, messages: 0, endings: new Map<string, number>(), faithful: true };
  const undisturbed = honest.frames.map(decodeFromCoordinator);
  await session(participant, undisturbed, honest); // allocates what persists between sessions
  const before = memory();
  while (report.frames < frames) {
    const random = randomOf(seed, report.frames);
    const inOrder = random() < 0.7;
    const { messages, hostile } = inOrder ? broken(random, honest.frames, pool) : shuffled(random, honest.frames);
    report.frames += hostile;
    report.messages += messages.length;
    const { ending, faithful } = await session(participant, messages, honest);
    report.endings.set(ending, (report.endings.get(ending) ?? 0) + 1);
    if (!inOrder && !faithful) report.faithful = false;
    onProgress(report.frames);
  }
  await session(participant, undisturbed, honest);
  const after = memory();
  participant.dispose();
  return {
    ...report,
    endings: Object.fromEntries([...report.endings].sort()),
    tensors: after.tensors - before.tensors,
    heapGrowthBytes: after.heapBytes - before.heapBytes,
  };
}

interface ScriptedSession {
  messages: CoordinatorMessage[];
  /** Number of hostile frames, including those that do not decode. */
  hostile: number;
}

/** Returns the honest run with hostile frames in it. */
function broken(random: Random, honest: readonly Buffer[], pool: readonly Buffer[]): ScriptedSession {
  const messages: CoordinatorMessage[] = [];
  let hostile = 0;
  for (const frame of honest) {
    if (random() < 0.75) messages.push(decodeFromCoordinator(frame));
    else {
      const base = random() < 0.5 ? frame : pick(random, pool);
      const message = decoded(random() < 0.3 ? relabelled(random, base) : hostileFrame(random, base, pool));
      messages.push(message ?? decodeFromCoordinator(frame)); // frames that do not decode never reach the participant
      hostile++;
    }
  }
  return { messages, hostile };
}

/** Returns the honest run with some messages removed, repeated or moved. */
function shuffled(random: Random, honest: readonly Buffer[]): ScriptedSession {
  const messages = honest.map(decodeFromCoordinator);
  const hostile = 1 + Math.floor(4 * random());
  for (let change = 0; change < hostile; change++) {
    const [from, to] = [Math.floor(random() * messages.length), Math.floor(random() * messages.length)];
    const draw = random();
    if (draw < 0.3) messages.splice(from, 1);
    else if (draw < 0.6) messages.splice(to, 0, defined(messages[from]));
    else messages.splice(to, 0, ...messages.splice(from, 1));
  }
  return { messages, hostile };
}

function decoded(frame: Buffer): CoordinatorMessage | undefined {
  try {
    return decodeFromCoordinator(frame);
  } catch (error) {
    if (error instanceof LockstepError) return undefined;
    throw error;
  }
}

/** Returns how the participant ends after these messages, and whether its digests are those of an honest worker. */
async function session(participant: Participant, messages: readonly CoordinatorMessage[], honest: RecordedRun) {
  const digests: Extract<WorkerMessage, { type: "digest-result" }>[] = [];
  const serve = async (messages: readonly CoordinatorMessage[]): Promise<string> => {
    const connection = scripted(messages, (message) => message.type === "digest-result" && digests.push(message));
    try {
      return await participant.serve(
        connection,
        new Inbox(connection, (message) => participant.handleControl(message)),
      );
    } catch (error) {
      if (error instanceof Dismissed) return "finished";
      if (error instanceof LockstepError) return error.code;
      throw error;
    }
  };
  const start = decodeFromCoordinator(defined(honest.frames[0])) as Extract<CoordinatorMessage, { type: "start" }>;
  await serve([{ ...start, state: "follows" }]); // resets the state of the previous session
  const ending = await serve(messages);
  if (participant.heldState("r") !== undefined) await serve([{ ...start, state: "held" }, { type: "digest" }]);
  return { ending, faithful: digests.every(({ step, digest }) => digest === honest.digests[step]) };
}

function scripted(messages: readonly CoordinatorMessage[], send: (message: WorkerMessage) => void): Connection {
  let next = 0;
  return {
    send,
    sendPiece: () => {},
    linkBytesPerSecond: Promise.resolve(1e9),
    isIdle: true,
    async receive() {
      const message = messages[next++];
      if (message === undefined) throw new LockstepError("ERR_DISCONNECTED", "The coordinator closed the connection.");
      // Numbers from the socket's thread are owned by the receiver, so they are copied.
      return "data" in message ? { ...message, data: message.data.slice() } : message;
    },
    heartbeat: () => {},
    fetchRecords: () => Promise.reject(new LockstepError("ERR_RECORDS", "There are none.")),
    close: async () => {},
  };
}

function randomOf(seed: number, session: number): Random {
  let drawn = 0;
  let block: Float64Array | Float32Array = new Float32Array();
  return () => {
    if (drawn % BLOCK === 0) block = uniforms(seed, "shapes", [session, drawn / BLOCK, 0], BLOCK);
    return defined(block[drawn++ % BLOCK]);
  };
}

const BLOCK = 256;

setFlagsFromString("--expose_gc");
const collectGarbage: () => void = runInNewContext("gc");

function memory(): { tensors: number; heapBytes: number } {
  collectGarbage();
  return { tensors: tf.memory().numTensors, heapBytes: process.memoryUsage().heapUsed };
}
