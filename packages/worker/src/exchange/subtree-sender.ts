/**
 * Adds the gradients of a subtree's slices in the order of the tree, and sends the sums in chunks, each as soon as it
 * is complete: factors with the slice that they belong to, dense sums with the last slice.
 */
import { readBack, tf } from "@lockstep/engine";
import {
  type AttemptId,
  type Layout,
  partElements,
  roundToWire,
  type Step,
  type StepAssembly,
  type SubtreeRange,
  TreeSum,
  treeSum,
} from "@lockstep/gradient-sync";
import { addGradients, type Gradient, type LapClock, type SliceSink, type SliceSums } from "@lockstep/training";
import type { Connection } from "../connection/connection.ts";
import { machineMs } from "../connection/machine-clock.ts";
import { PartSender } from "./part-sender.ts";

/** Options of a subtree sender: the attempt, and where its gradients go. */
export interface SubtreeSenderOptions {
  connection: Connection;
  layout: Layout;
  /** Assembly of the step, which also gets this worker's own factors as they are sent. */
  assembly: StepAssembly;
  clock: LapClock;
  step: Step;
  attempt: AttemptId;
  range: SubtreeRange;
}

/** Sends one attempt at a subtree. It receives the gradients of one slice after the other. */
export class SubtreeSender implements SliceSink {
  readonly #options: SubtreeSenderOptions;
  readonly #parts: readonly PartSender[];
  /** Dense sums over the slices so far, by weight. */
  readonly #dense = new Map<number, TreeSum<Gradient>>();
  /** Sums of the slices that are done. */
  readonly #done: SliceSums[] = [];
  /** Rows of the slices that are done. */
  #rows = 0;
  /** Read-backs under way; only WebGPU's are asynchronous. */
  readonly #pendingReads: Promise<void>[] = [];

  constructor(options: SubtreeSenderOptions) {
    const { layout, range } = options;
    this.#options = options;
    this.#parts = layout.rowElements.map(
      (_, part) =>
        new PartSender(layout, partElements(layout, part, range.end - range.start), (offset, values) =>
          this.#send(part, offset, values),
        ),
    );
  }

  /** The attempt that is sent. */
  get attempt(): AttemptId {
    return this.#options.attempt;
  }

  gradient = (index: number, gradient: Gradient): void => {
    const { layout, clock } = this.#options;
    const place = layout.places[index];
    clock.lap("backward");
    try {
      if (gradient.form === "dense" && place?.form === "dense") {
        this.#addDense(index, place.offset, gradient);
      } else if (gradient.form === "factored" && place?.form === "factored") {
        this.#read(gradient.input, place.inputPart, this.#rows * place.inputs);
        this.#read(gradient.delta, place.deltaPart, this.#rows * place.outputs);
      } else throw new Error(`Gradient ${index} is ${gradient.form}, but the plan says ${place?.form}.`);
    } catch (error) {
      tf.dispose(gradient.form === "dense" ? gradient.sum : [gradient.input, gradient.delta]);
      throw error;
    }
    clock.lap("read-back");
  };

  async done(sums: SliceSums): Promise<void> {
    await Promise.all(this.#pendingReads.splice(0));
    const isLast = this.#isLastSlice;
    this.#done.push(sums);
    this.#rows += sums.samples;
    if (isLast) this.#sendContribution();
  }

  /** Sends those chunks of the dense part again that were sent before. */
  resend(offsets: readonly number[]): void {
    this.#parts[0]?.resend(offsets);
  }

  get #isLastSlice(): boolean {
    return this.#done.length === this.#options.range.sliceSamples.length - 1;
  }

  #addDense(index: number, start: number, gradient: Gradient): void {
    const sum = this.#dense.get(index) ?? new TreeSum(addGradients);
    this.#dense.set(index, sum);
    sum.add(gradient);
    if (!this.#isLastSlice) return;
    const total = sum.total();
    if (total.form === "dense") this.#read(total.sum, 0, start);
  }

  #read(tensor: tf.Tensor, part: number, start: number): void {
    const onValues = (values: Float32Array) => this.#parts[part]?.add(start, values);
    const values = readBack(tensor);
    if (!(values instanceof Promise)) {
      try {
        onValues(values);
      } finally {
        tensor.dispose();
      }
      return;
    }
    const pending = values.then(onValues).finally(() => tensor.dispose());
    pending.catch(() => {}); // done() rejects with it, unless the backward pass fails first
    this.#pendingReads.push(pending);
  }

  #send(part: number, offset: number, values: Float32Array<ArrayBuffer>): void {
    const { connection, layout, assembly, step, attempt } = this.#options;
    if (part > 0) {
      roundToWire(values, layout.wire); // so that all workers compute with the same numbers
      assembly.add({ ...attempt, part, offset, values });
    }
    connection.sendPiece({ step, ...attempt, part, offset }, values, layout.wire);
  }

  #sendContribution(): void {
    const { connection, clock, step, attempt, range } = this.#options;
    clock.lap("read-back");
    // The coordinator computes the waiting time itself: it is the rest of the step.
    const doneMs = machineMs();
    const { step: _, wait: __, ...ms } = clock.finish();
    const samples = range.end - range.start;
    const lossSum = treeSum(this.#done.map((slice) => slice.lossSum));
    const correct = this.#done.reduce((total, slice) => total + slice.correct, 0);
    connection.send({ type: "contribution", step, ...attempt, samples, lossSum, correct, ms, io: {}, doneMs });
  }
}
