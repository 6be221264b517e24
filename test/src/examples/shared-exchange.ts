/** Workers of one process that add up through its memory. */
import { tf } from "@lockstep/engine";
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

/** One exchange for each of `workers` workers. */
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
      done: async (sums) => this.#round!.put(slice, { ...sums, gradients }),
    };
  }

  update(): Promise<Contribution> {
    return this.#round!.take();
  }
}

/** A step: what the workers have put down, and the sum when all of it is there. */
class Round {
  readonly planned: PlannedSlice[];
  readonly #contributions: Contribution[] = [];
  readonly #total: Promise<Contribution>;
  #finish: (total: Contribution) => void = () => {};
  #missing: number;
  #takers: number;
  readonly #onTaken: () => void;

  constructor(planned: PlannedSlice[], workers: number, onTaken: () => void) {
    this.planned = planned;
    this.#missing = planned.length;
    this.#takers = workers;
    this.#onTaken = onTaken;
    this.#total = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  put(slice: number, contribution: Contribution): void {
    this.#contributions[slice] = contribution; // in slice order, whoever is first
    this.#missing -= 1;
    if (this.#missing === 0) this.#finish(sumContributions(this.#contributions));
  }

  /** Waits for all slices. Each taker owns its tensors; the last one lets the originals go. */
  async take(): Promise<Contribution> {
    const total = await this.#total;
    const own = { ...total, gradients: total.gradients.map(cloned) };
    this.#takers -= 1;
    if (this.#takers === 0) {
      disposeContribution(total);
      this.#onTaken();
    }
    return own;
  }
}

function cloned(gradient: Gradient): Gradient {
  if (gradient.form === "dense") return { form: "dense", sum: tf.clone(gradient.sum) };
  return { form: "factored", input: tf.clone(gradient.input), delta: tf.clone(gradient.delta) };
}
