/** How the gradients of slices become the update of a step. The training step does not know which kind it has. */
import { type PlannedSlice, planSlices, type StepTask } from "@lockstep/run";
import { type Contribution, type Gradient, type SliceSums, sumContributions, type Update } from "./contribution.ts";

/** Samples [start, end) of the epoch's order: a part of the global batch. */
export interface Slice {
  /** Its place among the slices of the step. */
  slice: PlannedSlice["slice"];
  /** How often it was tried before, by this worker or by others. */
  attempt: number;
  start: number;
  end: number;
}

/** Where the gradients of one slice go. */
export interface SliceSink {
  /** Takes over the gradient of weight `index`. Called once for each weight, in the order of the backward pass. */
  gradient(index: number, gradient: Gradient): void;
  /** The rest of the contribution. Resolves when this worker has done its part for the slice. */
  done(sums: SliceSums): Promise<void>;
}

/** Turns the gradients of slices into the update of a step: in memory, or through a coordinator. */
export interface Exchange {
  /**
   * The slices of the step that this worker is to compute, one after the other. Where there are other workers, it waits
   * for slices that they lose, and ends when every slice of the step has been contributed by someone.
   */
  slices(task: StepTask): AsyncIterable<Slice>;
  sink(slice: Slice): SliceSink;
  /**
   * The sums over all slices of the step, in slice order. The tensors are the caller's, who is to be done with them before
   * the next step: their memory may then be that step's.
   */
  update(): Promise<Update>;
}

/** A world of one: all slices are here. Nothing leaves the device. */
export class InMemoryExchange implements Exchange {
  readonly #sliceRows: number | undefined;
  #contributions: Contribution[] = [];

  /** @param sliceRows samples of a slice; absent, a step has one slice */
  constructor(sliceRows?: number) {
    this.#sliceRows = sliceRows;
  }

  async *slices({ start, end }: StepTask): AsyncGenerator<Slice> {
    for (const slice of planSlices(start, end, 1, this.#sliceRows)) yield { ...slice, attempt: 0 };
  }

  sink({ slice }: Slice): SliceSink {
    const gradients: Gradient[] = [];
    return {
      gradient: (index, gradient) => {
        gradients[index] = gradient;
      },
      done: async (sums) => {
        this.#contributions[slice] = { ...sums, gradients };
      },
    };
  }

  async update(): Promise<Contribution> {
    return sumContributions(this.#contributions.splice(0));
  }
}
