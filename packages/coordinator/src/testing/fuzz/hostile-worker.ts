/**
 * For tests: a worker that joins the run and replaces some of its frames with hostile ones. It never sends undetectable
 * lies, that is finite numbers of the right shape for its own subtrees: the coordinator would accept them as correct.
 */
import { at } from "@lockstep/errors";
import {
  allFinite,
  assignedSubtrees,
  type CoordinatorMessage,
  chunkLength,
  decodeFromWorker,
  elementsOf,
  encode,
  type MessageOf,
  partElements,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { decodeFloats, hostileFrame, pick, type Random, relabelled } from "@lockstep/gradient-sync/testing";
import type { WebSocket } from "ws";
import { LAYOUT, TENSORS } from "../toy-model.ts";
import { SocketWorker } from "./socket-worker.ts";

/** Settings of a hostile worker. */
export interface HostileOptions {
  port: number;
  name: string;
  random: Random;
  /** Frames of honest sessions, from which hostile frames are made. */
  recorded: readonly Buffer[];
  /** Number of hostile frames to send before leaving. */
  frames: number;
  /** Called when that many frames are sent. */
  leave: () => void;
}

interface Occasion {
  random: Random;
  frame: Buffer;
  message: WorkerMessage;
  /** The last frames that this worker sent. */
  own: readonly Buffer[];
  recorded: readonly Buffer[];
}

/** The attacks: each returns the frames to send instead of one honest frame. */
const WAYS: ((occasion: Occasion) => Buffer[])[] = [
  ({ random, frame, recorded }) => [hostileFrame(random, frame, recorded)],
  ({ random, frame, recorded }) => [frame, hostileFrame(random, pick(random, recorded), recorded)],
  ({ random, frame }) => [relabelled(random, frame)],
  ({ random, frame }) => [frame, relabelled(random, frame)],
  ({ random, frame }) => [relabelled(random, frame), frame],
  ({ frame }) => [frame, frame],
  ({ random, message }) => [spoilt(random, message)],
  ({ random, frame, own }) => [...own.slice(Math.floor(random() * own.length)).slice(0, 20), frame],
  ({ random, frame, recorded }) => [pick(random, recorded), frame],
  ({ random, frame, own }) => [frame, ...own.slice(-8).sort(() => random() - 0.5)],
  () => [], // the coordinator must notice that the frame is missing
];

/** Encodes a message whose numbers are damaged: not finite, too many, too few, or with the wrong packing. */
function spoilt(random: Random, message: WorkerMessage): Buffer {
  if ("lossSum" in message)
    return encode({ ...message, lossSum: pick(random, [Number.NaN, Number.POSITIVE_INFINITY]) });
  if (!("data" in message)) return encode(message);
  const { data } = message;
  const words = new Float32Array(Math.ceil(data.length / 4)).fill(pick(random, [Number.NaN, Number.NEGATIVE_INFINITY]));
  const others = [new Uint8Array(words.buffer), data.slice(1), Buffer.concat([data, data]), new Uint8Array()];
  if (random() < 0.2 && "packed" in message) return encode({ ...message, packed: !message.packed });
  return encode({ ...message, data: new Uint8Array(pick(random, others)) });
}

/** A worker that sends hostile frames. */
export class HostileWorker {
  readonly worker: SocketWorker;
  /** Number of hostile frames sent so far. */
  sent = 0;
  readonly #options: HostileOptions;
  /** Number of frames still to send unchanged, so that the worker is admitted and is assigned subtrees. */
  #patience: number;
  readonly #own: Buffer[] = [];
  /** Number of samples of each of its attempts in the current step. */
  readonly #attempts = new Map<string, number>();
  /** The honest frame of each chunk of the current step. */
  readonly #truths = new Map<string, Buffer>();
  readonly #stateRequests = new Set<number>();

  constructor(options: HostileOptions) {
    const { port, name } = options;
    this.#options = options;
    this.#patience = Math.floor(options.random() * 60);
    const boasts = options.random() < 0.5; // the coordinator reads the state of the fastest worker
    const send = (frame: Buffer, message: WorkerMessage, socket: WebSocket) => {
      if (!boasts || message.type !== "contribution") return this.#send(frame, message, socket);
      const boast = { ...message, ms: { forward: 0.001 } };
      this.#send(encode(boast), boast, socket);
    };
    this.worker = new SocketWorker({ port, name, send, onMessage: (message) => this.#onMessage(message) });
  }

  #send(frame: Buffer, message: WorkerMessage, socket: WebSocket): void {
    const { random, recorded, frames, leave } = this.#options;
    if (message.type === "gradient-chunk") this.#truths.set(placeOf(message), frame);
    const occasion = { random, frame, message, own: this.#own, recorded };
    const honest = this.#patience-- > 0 || random() < 0.8;
    const wrong = honest ? [frame] : pick(random, WAYS)(occasion);
    this.#own.push(frame);
    if (this.#own.length > 100) this.#own.shift();
    for (const other of wrong.filter((other) => other === frame || !this.#isUndetectable(other))) {
      socket.send(other);
      if (other !== frame) this.sent++;
    }
    if (this.sent >= frames) leave();
  }

  #onMessage(message: CoordinatorMessage): void {
    if (message.type === "send-state") this.#stateRequests.add(message.request);
    if (message.type === "commit") {
      this.#attempts.clear();
      this.#truths.clear();
    }
    if (message.type !== "assign") return;
    const subtrees = assignedSubtrees(message);
    for (const { subtree, attempt } of message.attempts) {
      const { start, end } = at(subtrees, subtree);
      this.#attempts.set(`${message.step}/${subtree}/${attempt}`, end - start);
    }
  }

  #isUndetectable(frame: Buffer): boolean {
    const message = decoded(frame);
    switch (message?.type) {
      case "gradient-chunk": {
        const values = valuesOf(message, this.#attempts.get(attemptOf(message)));
        if (values === undefined || this.#truths.get(placeOf(message))?.equals(frame)) return false;
        return allFinite(values);
      }
      case "state-chunk": {
        const bytes = 4 * elementsOf(TENSORS[message.tensor]?.shape ?? []);
        return this.#stateRequests.has(message.request) && message.offset === 0 && message.data.length === bytes;
      }
      case "digest-result":
        return true;
      default:
        return false;
    }
  }
}

type Chunk = MessageOf<"gradient-chunk">;
const attemptOf = ({ step, subtree, attempt }: Chunk) => `${step}/${subtree}/${attempt}`;
const placeOf = (chunk: Chunk) => `${attemptOf(chunk)}/${chunk.part}/${chunk.offset}`;

/** Decodes a chunk of an attempt over `samples` samples; undefined if it is invalid or belongs to no attempt. */
function valuesOf(chunk: Chunk, samples: number | undefined): Float32Array | undefined {
  if (samples === undefined) return undefined;
  const elements = chunkLength(LAYOUT, partElements(LAYOUT, chunk.part, samples), chunk.offset);
  try {
    return elements === undefined ? undefined : decodeFloats(chunk, elements, LAYOUT.wire);
  } catch {
    return undefined;
  }
}

function decoded(frame: Buffer): WorkerMessage | undefined {
  try {
    return decodeFromWorker(frame);
  } catch {
    return undefined;
  }
}
