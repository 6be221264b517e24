/**
 * One step as the coordinator sees it: chunks come in from the workers, sums and factors go out, and when every slice
 * has contributed the step can be committed. It knows nothing of sockets.
 */
import { LockstepError } from "@lockstep/errors";
import {
  BYTES_PER_ELEMENT,
  type CoordinatorMessage,
  DenseSum,
  decodeFloats,
  encodeFloats,
  type Layout,
  partElements,
  type Wire,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import type { PlannedSlice } from "@lockstep/run";

type Message<Type extends WorkerMessage["type"]> = Extract<WorkerMessage, { type: Type }>;

/** A message for the workers: for all, or for all but the one that it came from. */
export interface Outgoing {
  exceptWorker?: number;
  message: CoordinatorMessage;
}

interface SliceState extends PlannedSlice {
  /** Elements that have come, of each part. */
  received: number[];
  contribution?: Message<"contribution">;
}

export class StepRound {
  readonly step: number;
  readonly #slices: SliceState[];
  readonly #layout: Layout;
  readonly #wire: Wire;
  readonly #dense: DenseSum;

  constructor(step: number, slices: readonly PlannedSlice[], layout: Layout, wire: Wire) {
    this.step = step;
    this.#layout = layout;
    this.#wire = wire;
    this.#slices = slices.map((slice) => ({ ...slice, received: layout.rowElements.map(() => 0) }));
    this.#dense = new DenseSum(slices.length);
  }

  /** @throws LockstepError ERR_CHUNK for a piece that does not belong to this step, this worker or its slice */
  onChunk(worker: number, { step, slice, part, offset, data }: Message<"gradient-chunk">): Outgoing | undefined {
    const state = this.#sliceOf(worker, step, slice);
    const elements = data.length / BYTES_PER_ELEMENT[this.#wire];
    const expected =
      part < this.#layout.rowElements.length ? partElements(this.#layout, part, state.end - state.start) : 0;
    if (!Number.isInteger(elements) || offset !== state.received[part] || offset + elements > expected) {
      throw new LockstepError(
        "ERR_CHUNK",
        `Expected element ${state.received[part]} of ${expected} of part ${part} next, got ${elements} elements at ${offset}.`,
      );
    }
    state.received[part] = offset + elements;
    if (part > 0) return { exceptWorker: worker, message: { type: "update-chunk", step, slice, part, offset, data } };
    const sum = this.#dense.add(slice, offset, decodeFloats(data, this.#wire));
    if (sum === undefined) return undefined;
    return { message: { type: "update-chunk", step, slice: 0, part, offset, data: encodeFloats(sum, this.#wire) } };
  }

  /** @returns whether this was the last one */
  onContribution(worker: number, message: Message<"contribution">): boolean {
    const state = this.#sliceOf(worker, message.step, message.slice);
    const samples = state.end - state.start;
    const complete = state.received.every((elements, part) => elements === partElements(this.#layout, part, samples));
    if (!complete || message.samples !== samples) {
      throw new LockstepError(
        "ERR_CONTRIBUTION",
        `The contribution to slice ${message.slice} of step ${this.step} is not complete.`,
      );
    }
    state.contribution = message;
    return this.#slices.every(({ contribution }) => contribution !== undefined);
  }

  /** Sums over the batch, in slice order. */
  totals(): { samples: number; lossSum: number; correct: number } {
    const all = this.#slices.map(({ contribution }) => contribution!);
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    return {
      samples: sum(all.map(({ samples }) => samples)),
      lossSum: sum(all.map(({ lossSum }) => lossSum)),
      correct: sum(all.map(({ correct }) => correct)),
    };
  }

  /** The `ms` of each worker's last slice. */
  msOf(worker: number): Record<string, number> {
    return this.#slices.findLast((slice) => slice.worker === worker)?.contribution?.ms ?? {};
  }

  #sliceOf(worker: number, step: number, slice: number): SliceState {
    const state = this.#slices[slice];
    if (step === this.step && state?.worker === worker && state.contribution === undefined) return state;
    throw new LockstepError("ERR_CHUNK", `Slice ${slice} of step ${step} is not for this worker to compute now.`);
  }
}
