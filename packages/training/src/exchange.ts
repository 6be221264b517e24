/** Turns the gradients of slices into the update of a step. The training step does not know which kind it uses. */
import { TreeSum } from "@lockstep/gradient-sync";
import { planSlices, type StepTask } from "@lockstep/run";
import { addContributions, type Contribution, type Gradient, type SliceSums, type Update } from "./contribution.ts";

/** Samples [start, end) of the epoch's order: a slice of the global batch. */
export interface Slice {
  start: number;
  end: number;
}

/** Receives the gradients of one slice. */
export interface SliceSink {
  /**
   * Takes ownership of the gradient of weight `index`. Called once for each weight, in the order of the backward pass.
   */
  gradient(index: number, gradient: Gradient): void;
  /** Completes the contribution. Resolves when this worker has finished the slice. */
  done(sums: SliceSums): Promise<void>;
}

/** Sums the gradients of slices into the update of a step: in memory, or through a coordinator. */
export interface Exchange {
  /**
   * Yields the slices of the step that this worker computes. With other workers, it waits for slices of those that
   * disconnect, and ends when every slice of the step has been contributed.
   */
  slices(task: StepTask): AsyncIterable<Slice>;
  /** Returns the receiver of the gradients of a slice, which `slices` has yielded last. */
  sink(slice: Slice): SliceSink;
  /**
   * Returns the sums over all slices of the step, in slice order. The caller owns the tensors until the next step,
   * which may reuse their memory.
   */
  update(): Promise<Update>;
}

/** The exchange for a world size of 1: nothing leaves the device. */
export class InMemoryExchange implements Exchange {
  readonly #sliceRows: number | undefined;
  readonly #sum = new TreeSum(addContributions);

  /** @param sliceRows samples of a slice; undefined for one slice per step */
  constructor(sliceRows?: number) {
    this.#sliceRows = sliceRows;
  }

  async *slices({ start, end }: StepTask): AsyncGenerator<Slice> {
    yield* planSlices(start, end, 1, this.#sliceRows);
  }

  sink(): SliceSink {
    const gradients: Gradient[] = [];
    return {
      gradient: (index, gradient) => {
        gradients[index] = gradient;
      },
      done: async (sums) => {
        this.#sum.add({ ...sums, gradients });
      },
    };
  }

  async update(): Promise<Contribution> {
    return this.#sum.total();
  }
}
