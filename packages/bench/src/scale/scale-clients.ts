/**
 * Simulates workers for scale-server.ts: they send and receive what workers of alexnet-cifar10 do, and compute nothing.
 *
 * scale-clients.ts lockstep|bare|unmasked PORT WORKERS
 *
 * Clients of ws mask what they send. Lockstep's workers and those of `unmasked` do not.
 */

import { at } from "@lockstep/errors";
import {
  type AttemptId,
  assignedSubtrees,
  decodeFromCoordinator,
  encode,
  fingerprintOf,
  MAX_MESSAGE_BYTES,
  type MessageOf,
  PROTOCOL_VERSION,
  type Step,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { openSocket } from "@lockstep/transport";
import { WebSocket } from "ws";
import { FACTS, piecesOf, piecesOfAll } from "./scale-traffic.ts";

const [kind, port, count] = process.argv.slice(2) as [string, string, string];
const workers = Number(count);
/** Numbers without zeros, so that no chunk is packed. */
const NUMBERS = new Uint8Array(Float32Array.from({ length: 2 ** 18 }, (_, i) => 1 + (i % 7)).buffer);

for (let worker = 0; worker < workers; worker++) {
  const url = `ws://127.0.0.1:${port}`;
  const masked = kind === "bare";
  const socket = masked
    ? new WebSocket(url, { perMessageDeflate: false })
    : openSocket(url, { maxPayload: MAX_MESSAGE_BYTES });
  socket.on("close", () => process.exit(0));
  if (kind === "lockstep") simulateWorker(socket, worker);
  else moveBytes(socket, worker);
}

function moveBytes(socket: WebSocket, worker: number): void {
  const messages = at(piecesOfAll(workers), worker).map(({ elements }, index) => {
    const message = Buffer.from(new Uint8Array(8 + 4 * elements));
    message.writeUInt32LE(worker, 0);
    message.writeUInt32LE(index, 4);
    return message;
  });
  socket.on("message", (data: Buffer) => {
    if (data.length === 0) for (const message of messages) socket.send(message);
  });
}

function simulateWorker(socket: WebSocket, worker: number): void {
  const send = (message: WorkerMessage) => socket.send(encode(message));
  const device = { device: "d", backend: "b", libraryVersion: "v", instructionSet: "i", threads: 1 };
  socket.on("open", () => send({ type: "hello", protocol: PROTOCOL_VERSION, name: `w${worker}`, ...device }));
  socket.on("message", (data: Buffer) => {
    const message = decodeFromCoordinator(data);
    if (message.type === "alive") send({ type: "heartbeat" });
    if (message.type === "welcome") {
      const speeds = { linkBytesPerSecond: 1e9, gemmFlopsPerSecond: 1e9 };
      send({ type: "ready", fingerprint: fingerprintOf(FACTS, "", {}), ...FACTS, ...speeds, topology: "{}" });
    }
    if (message.type === "assign") contributeAll(send, message);
  });
}

/** Sends a contribution for each assigned attempt. */
function contributeAll(send: (message: WorkerMessage) => void, assign: MessageOf<"assign">): void {
  const subtrees = assignedSubtrees(assign);
  for (const attempt of assign.attempts) {
    const { start, end } = at(subtrees, attempt.subtree);
    contribute(send, assign.step, attempt, end - start);
  }
}

function contribute(
  send: (message: WorkerMessage) => void,
  step: Step,
  { subtree, attempt }: AttemptId,
  samples: number,
): void {
  for (const { part, offset, elements } of piecesOf(samples)) {
    const data = NUMBERS.subarray(0, 4 * elements);
    send({ type: "gradient-chunk", step, subtree, attempt, part, offset, packed: false, data });
  }
  send({
    type: "contribution",
    step,
    subtree,
    attempt,
    samples,
    lossSum: samples,
    correct: 0,
    ms: { forward: 1 },
    io: {},
    doneMs: 0,
  });
}
