/** Implements exchanges for workers in one process, which sum their gradients in memory. */

import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/errors";
import { type PlannedSlice, planSlices, type StepTask } from "@lockstep/run";
import {
  type Contribution,
  disposeContribution,
  type Exchange,
  type Gradient,
  type Slice,
  type SliceSink,
  sumContributions,
} from "@lockstep/training";

/** Returns one exchange for each of `workers` workers. */
export function sharedExchanges(workers: number, sliceRows?: number): Exchange[] {
  const rounds = new Map<number, Round>();
  const roundOf = (task: StepTask) => {
    const planned = planSlices(task.start, task.end, workers, sliceRows);
    const round = rounds.get(task.step) ?? new Round(planned, workers, () => rounds.delete(task.step));
    rounds.set(task.step, round);
    return round;
  };
  return Array.from({ length: workers }, (_, worker) => new SharedExchange(roundOf, worker));
}

class SharedExchange implements Exchange {
  readonly #roundOf: (task: StepTask) => Round;
  readonly #worker: number;
  #round: Round | undefined;

  constructor(roundOf: (task: StepTask) => Round, worker: number) {
    this.#roundOf = roundOf;
    this.#worker = worker;
  }

  async *slices(task: StepTask): AsyncGenerator<Slice> {
    this.#round = this.#roundOf(task);
    yield* this.#round.planned.filter(({ worker }) => worker === this.#worker);
  }

  sink({ start }: Slice): SliceSink {
    const gradients: Gradient[] = [];
    return {
      gradient: (index, gradient) => {
        gradients[index] = gradient;
      },
      done: async (sums) => defined(this.#round, "a round").add(start, { ...sums, gradients }),
    };
  }

  update(): Promise<Contribution> {
    return defined(this.#round, "a round").total();
  }
}

/** A step: the contributions so far, and their sum after the last slice. */
class Round {
  readonly planned: PlannedSlice[];
  /** Contributions by the first sample of their slice. */
  readonly #contributions = new Map<number, Contribution>();
  readonly #total: Promise<Contribution>;
  #finish: (total: Contribution) => void = () => {};
  #missing: number;
  #readers: number;
  readonly #onRead: () => void;

  constructor(planned: PlannedSlice[], workers: number, onRead: () => void) {
    this.planned = planned;
    this.#missing = planned.length;
    this.#readers = workers;
    this.#onRead = onRead;
    this.#total = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  add(start: number, contribution: Contribution): void {
    this.#contributions.set(start, contribution);
    this.#missing -= 1;
    if (this.#missing > 0) return;
    // In slice order, not in order of arrival.
    this.#finish(sumContributions(this.planned.map((slice) => defined(this.#contributions.get(slice.start)))));
  }

  /** Waits for all slices. Each reader owns the tensors that it receives. The last one disposes of the originals. */
  async total(): Promise<Contribution> {
    const total = await this.#total;
    const copy = { ...total, gradients: total.gradients.map(cloned) };
    this.#readers -= 1;
    if (this.#readers === 0) {
      disposeContribution(total);
      this.#onRead();
    }
    return copy;
  }
}

function cloned(gradient: Gradient): Gradient {
  if (gradient.form === "dense") return { form: "dense", sum: tf.clone(gradient.sum) };
  return { form: "factored", input: tf.clone(gradient.input), delta: tf.clone(gradient.delta) };
}
