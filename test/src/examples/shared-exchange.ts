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
    for (const slice of this.#round.planned) if (slice.worker === this.#worker) yield { ...slice, attempt: 0 };
  }

  sink({ slice }: Slice): SliceSink {
    const gradients: Gradient[] = [];
    return {
      gradient: (index, gradient) => {
        gradients[index] = gradient;
      },
      done: async (sums) => defined(this.#round, "a round").add(slice, { ...sums, gradients }),
    };
  }

  update(): Promise<Contribution> {
    return defined(this.#round, "a round").total();
  }
}

/** A step: the contributions so far, and their sum after the last slice. */
class Round {
  readonly planned: PlannedSlice[];
  readonly #contributions: Contribution[] = [];
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

  add(slice: number, contribution: Contribution): void {
    this.#contributions[slice] = contribution; // in slice order, not in order of arrival
    this.#missing -= 1;
    if (this.#missing === 0) this.#finish(sumContributions(this.#contributions));
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
