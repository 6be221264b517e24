/** For tests: a client's end of the reduction, which computes its assigned subtrees and exchanges encoded messages. */
import { chunkOffsets } from "../layout/layout.ts";
import { decodeInto, encodeFloats, roundToWire } from "../layout/wire.ts";
import { decodeFromCoordinator, encode } from "../protocol/codec.ts";
import type { AttemptId, MessageOf, WorkerMessage } from "../protocol/messages.ts";
import { StepAssembly } from "../reduction/step-assembly.ts";
import type { DrawnGradients } from "./drawn-gradients.ts";

type Assign = MessageOf<"assign">;
type Chunk = MessageOf<"gradient-chunk">;

/** A client of the reduction with an inbox and an outbox. */
export class ReductionClient {
  readonly id: number;
  readonly assembly: StepAssembly;
  /** Encoded messages from the server, in order of arrival. */
  readonly inbox: Uint8Array[] = [];
  /** Encoded messages to the server, in order of arrival. */
  readonly outbox: Uint8Array[] = [];
  readonly #gradients: DrawnGradients;
  readonly #dense: Chunk[] = [];

  constructor(id: number, gradients: DrawnGradients) {
    this.id = id;
    this.#gradients = gradients;
    this.assembly = new StepAssembly(gradients.layout, gradients.subtreeSamples);
  }

  /** Handles the next message. */
  receive(): void {
    const bytes = this.inbox.shift();
    if (bytes === undefined) return;
    const message = decodeFromCoordinator(bytes);
    if (message.type === "assign") for (const attempt of message.attempts) this.#compute(message, attempt);
    if (message.type === "update-chunk") {
      decodeInto(this.assembly.claim(message), message, this.#gradients.layout.wire);
    }
    if (message.type !== "withdrawn") return;
    this.assembly.withdraw(message);
    const isWithdrawn = ({ subtree, attempt }: Chunk) => subtree === message.subtree && attempt === message.attempt;
    const again = this.#dense.filter((chunk) => message.again.includes(chunk.offset) && !isWithdrawn(chunk));
    this.outbox.push(...again.map(encode));
  }

  /** Replaces the numbers of the next outgoing message by NaN, if it is a chunk. */
  corruptNext(decode: (bytes: Uint8Array) => WorkerMessage): void {
    const [bytes] = this.outbox;
    if (bytes === undefined) return;
    const message = decode(bytes);
    if (message.type !== "gradient-chunk") return;
    const { layout } = this.#gradients;
    const values = new Float32Array(layout.chunkElements).fill(Number.NaN);
    this.outbox[0] = encode({ ...message, ...encodeFloats(values, layout.wire) });
  }

  #compute({ step }: Assign, { subtree, attempt }: AttemptId): void {
    const { layout, partOf } = this.#gradients;
    for (const part of layout.rowElements.keys()) {
      const all = partOf(subtree, attempt, part);
      for (const offset of chunkOffsets(layout, all.length)) {
        const values = all.slice(offset, offset + layout.chunkElements);
        const chunk: Chunk = {
          type: "gradient-chunk",
          step,
          subtree,
          attempt,
          part,
          offset,
          ...encodeFloats(values, layout.wire),
        };
        this.outbox.push(encode(chunk));
        if (part === 0) this.#dense.push(chunk);
        else {
          roundToWire(values, layout.wire);
          this.assembly.add({ subtree, attempt, part, offset, values });
        }
      }
    }
    const sums = { samples: this.assembly.samplesOf(subtree), lossSum: 1, correct: 0, ms: {}, io: {}, doneMs: 0 };
    this.outbox.push(encode({ type: "contribution", step, subtree, attempt, ...sums }));
  }
}
