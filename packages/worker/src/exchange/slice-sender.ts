/** Sends the gradients of one slice in chunks, each as soon as it is complete. */
import { readBack, tf } from "@lockstep/engine";
import {
  chunkOffsets,
  type Layout,
  roundToWire,
  type SliceId,
  type Step,
  type StepAssembly,
} from "@lockstep/gradient-sync";
import type { Gradient, LapClock, SliceSink, SliceSums } from "@lockstep/training";
import type { Connection } from "../connection/connection.ts";
import { machineMs } from "../connection/machine-clock.ts";

/** Options of a slice sender: the slice, and where its gradients go. */
export interface SliceSenderOptions {
  connection: Connection;
  layout: Layout;
  /** Assembly of the step, which also gets this worker's own factors as they are sent. */
  assembly: StepAssembly;
  clock: LapClock;
  step: Step;
  slice: SliceId;
  attempt: number;
}

/** Sends the gradients of one attempt at a slice as the backward pass yields them. */
export class SliceSender implements SliceSink {
  readonly slice: SliceId;
  readonly attempt: number;
  readonly #options: SliceSenderOptions;
  /** Dense gradients as they were read back, with their start in part 0. */
  readonly #dense: { start: number; values: Float32Array }[] = [];
  /** Elements that each chunk of the dense part still misses. */
  readonly #missing: Map<number, number>;
  /** Read-backs under way; only WebGPU's are asynchronous. */
  readonly #pendingReads: Promise<void>[] = [];

  constructor(options: SliceSenderOptions) {
    const { layout, slice, attempt } = options;
    this.slice = slice;
    this.attempt = attempt;
    this.#options = options;
    const offsets = chunkOffsets(layout, layout.denseElements);
    this.#missing = new Map(offsets.map((offset) => [offset, denseChunkLength(layout, offset)]));
  }

  gradient = (index: number, gradient: Gradient): void => {
    const { layout, clock } = this.#options;
    const place = layout.places[index];
    clock.lap("backward");
    try {
      if (gradient.form === "dense" && place?.form === "dense") {
        this.#read(gradient.sum, (values) => this.#addDense(place.offset, values));
      } else if (gradient.form === "factored" && place?.form === "factored") {
        this.#read(gradient.input, (values) => this.#sendFactor(place.inputPart, values));
        this.#read(gradient.delta, (values) => this.#sendFactor(place.deltaPart, values));
      } else throw new Error(`Gradient ${index} is ${gradient.form}, but the plan says ${place?.form}.`);
    } catch (error) {
      tf.dispose(gradient.form === "dense" ? gradient.sum : [gradient.input, gradient.delta]);
      throw error;
    }
    clock.lap("read-back");
  };

  async done({ samples, lossSum, correct }: SliceSums): Promise<void> {
    await Promise.all(this.#pendingReads);
    const { connection, clock, step, slice, attempt } = this.#options;
    clock.lap("read-back");
    // The coordinator computes the waiting time itself: it is the rest of the step.
    const doneMs = machineMs();
    const { step: _, wait: __, ...ms } = clock.finish();
    connection.send({ type: "contribution", step, slice, attempt, samples, lossSum, correct, ms, io: {}, doneMs });
  }

  /** Sends those chunks of the dense part again that were sent before. */
  resend(offsets: readonly number[]): void {
    for (const offset of new Set(offsets)) if (this.#missing.get(offset) === 0) this.#sendDense(offset);
  }

  #read(tensor: tf.Tensor, onValues: (values: Float32Array) => void): void {
    const values = readBack(tensor);
    if (!(values instanceof Promise)) {
      onValues(values);
      tensor.dispose();
      return;
    }
    const pending = values.then(onValues).finally(() => tensor.dispose());
    pending.catch(() => {}); // done() rejects with it, unless the backward pass fails first
    this.#pendingReads.push(pending);
  }

  #addDense(start: number, values: Float32Array): void {
    const { chunkElements } = this.#options.layout;
    this.#dense.push({ start, values });
    const end = start + values.length;
    for (let offset = start - (start % chunkElements); offset < end; offset += chunkElements) {
      const added = Math.min(end, offset + chunkElements) - Math.max(start, offset);
      const missing = (this.#missing.get(offset) ?? 0) - added;
      this.#missing.set(offset, missing);
      if (missing === 0) this.#sendDense(offset);
    }
  }

  #sendDense(offset: number): void {
    const { layout } = this.#options;
    const chunk = new Float32Array(denseChunkLength(layout, offset));
    for (const { start, values } of this.#dense) {
      const from = Math.max(start, offset);
      const until = Math.min(start + values.length, offset + chunk.length);
      if (from < until) chunk.set(values.subarray(from - start, until - start), from - offset);
    }
    this.#send(0, offset, chunk);
  }

  #sendFactor(part: number, values: Float32Array): void {
    const { layout, assembly } = this.#options;
    const { slice, attempt } = this;
    for (const offset of chunkOffsets(layout, values.length)) {
      const piece = values.slice(offset, offset + layout.chunkElements);
      roundToWire(piece, layout.wire); // so that all workers compute with the same numbers
      assembly.add({ slice, attempt, part, offset, values: piece });
      this.#send(part, offset, piece);
    }
  }

  #send(part: number, offset: number, values: Float32Array<ArrayBuffer>): void {
    const { connection, layout, step, slice, attempt } = this.#options;
    connection.sendPiece({ step, slice, attempt, part, offset }, values, layout.wire);
  }
}

/** Returns the number of elements of the dense part's chunk at `offset`. */
function denseChunkLength({ chunkElements, denseElements }: Layout, offset: number): number {
  return Math.min(chunkElements, denseElements - offset);
}
