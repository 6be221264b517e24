/** For tests: a worker of the large model. It computes nothing, and sends ones as gradients and as state. */

import { at, defined } from "@lockstep/errors";
import {
  type AttemptId,
  assignedSubtrees,
  type CoordinatorMessage,
  chunkLength,
  chunkOffsets,
  decodeFromCoordinator,
  elementsOf,
  encode,
  MAX_MESSAGE_BYTES,
  type MessageOf,
  partElements,
  type Step,
  type SubtreeId,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { openSocket } from "@lockstep/transport";
import type { WebSocket } from "ws";
import { HELLO } from "../toy-model.ts";
import { layout, ready } from "./large-model.ts";

type Sent = { step: Step; subtree: SubtreeId; attempt: number; samples: number };

/** Returns the bytes of this many float32 ones, unpacked. */
const ones = (elements: number) => new Uint8Array(new Float32Array(elements).fill(1).buffer);

/** A worker whose messages are large. */
export class LargeWorker {
  readonly socket: WebSocket;
  /** Whether it sends only the first chunk of each subtree. */
  hangs = false;
  /** Resolves with the error code when the coordinator refuses the worker; never resolves otherwise. */
  readonly refused: Promise<string>;
  #updates = 0;
  /** Attempts of the current step. */
  #sent: Sent[] = [];
  readonly #states = new Map<number, Iterator<WorkerMessage, undefined>>();
  readonly #beating: NodeJS.Timeout;

  constructor(port: number, name: string) {
    this.socket = openSocket(`ws://127.0.0.1:${port}`, { maxPayload: MAX_MESSAGE_BYTES });
    this.socket.on("open", () => this.#send({ ...HELLO, name }));
    this.socket.on("error", () => {});
    this.socket.on("close", () => clearInterval(this.#beating));
    this.#beating = setInterval(() => this.#send({ type: "heartbeat" }), 500);
    this.refused = new Promise((resolve) => {
      this.socket.on("message", (data: Buffer) => {
        const message = decodeFromCoordinator(data);
        if (message.type === "refused") resolve(message.code);
        this.#obey(message);
      });
    });
  }

  #send(message: WorkerMessage): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(encode(message));
  }

  #obey(message: CoordinatorMessage): void {
    switch (message.type) {
      case "welcome":
        this.#send(ready);
        return;
      case "assign":
        for (const attempt of message.attempts) this.#contribute(message, attempt);
        return;
      case "withdrawn":
        for (const sent of this.#sent) for (const offset of message.again) this.#sendPiece(sent, 0, offset);
        return;
      case "send-state":
        this.#states.set(message.request, stateOf(message, this.#updates));
        for (let piece = 0; piece < message.window; piece++) this.#sendState(message.request);
        return;
      case "state-ack":
        this.#sendState(message.request);
        return;
      case "load-end":
        this.#updates = message.step;
        return;
      case "commit":
        this.#updates = message.step + 1;
        this.#sent = [];
        return;
      case "sync":
        this.#send({ type: "synced" });
    }
  }

  #contribute(assign: MessageOf<"assign">, attempt: AttemptId): void {
    const { start, end } = at(assignedSubtrees(assign), attempt.subtree);
    const sent = { step: assign.step, ...attempt, samples: end - start };
    this.#sent.push(sent);
    for (const part of layout.rowElements.keys()) {
      for (const offset of chunkOffsets(layout, partElements(layout, part, sent.samples))) {
        this.#sendPiece(sent, part, offset);
        if (this.hangs) return;
      }
    }
    this.#send({ ...sent, type: "contribution", lossSum: 1, correct: 0, ms: { forward: 1 }, io: {}, doneMs: 0 });
  }

  #sendPiece({ samples, ...label }: Sent, part: number, offset: number): void {
    const data = ones(defined(chunkLength(layout, partElements(layout, part, samples), offset), "a chunk"));
    this.#send({ type: "gradient-chunk", ...label, part, offset, packed: false, data });
  }

  #sendState(request: number): void {
    const piece = this.#states.get(request)?.next().value;
    if (piece !== undefined) this.#send(piece);
  }
}

function* stateOf({ request }: MessageOf<"send-state">, step: number): Generator<WorkerMessage, undefined> {
  for (const [tensor, { shape }] of ready.tensors.entries()) {
    for (const kind of ["weight", "velocity"] as const) {
      const elements = elementsOf(shape);
      for (const offset of chunkOffsets(layout, elements)) {
        const data = ones(defined(chunkLength(layout, elements, offset), "a chunk"));
        yield { type: "state-chunk", request, tensor, kind, offset, data };
      }
    }
  }
  yield { type: "state-end", request, step };
}
