/** The exchange through a coordinator: reads the sums of this worker's slices back, sends them, builds the update. */
import { readBack, tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import {
  CHUNK_BYTES,
  type CoordinatorMessage,
  chunksOf,
  decodeFloats,
  type Layout,
  PartAssembly,
  partElements,
  type Wire,
} from "@lockstep/gradient-sync";
import {
  type Contribution,
  disposeContribution,
  type Exchange,
  type Gradient,
  type LapClock,
} from "@lockstep/training";
import type { Connection } from "./connection.ts";

type Assign = Extract<CoordinatorMessage, { type: "assign" }>;

export class CoordinatorExchange implements Exchange {
  readonly #connection: Connection;
  readonly #layout: Layout;
  readonly #wire: Wire;
  readonly #clock: LapClock;
  #assigned: Assign | undefined;

  constructor(connection: Connection, layout: Layout, wire: Wire, clock: LapClock) {
    this.#connection = connection;
    this.#layout = layout;
    this.#wire = wire;
    this.#clock = clock;
  }

  /** The slices that the next `reduce` is for. */
  assign(message: Assign): void {
    this.#assigned = message;
  }

  async reduce(step: number, contributions: Contribution[], ms: Record<string, number>): Promise<Contribution> {
    const { slices, sliceSamples } = this.#assigned!;
    const rowStarts = sliceSamples.map((_, slice) =>
      sliceSamples.slice(0, slice).reduce((sum, samples) => sum + samples, 0),
    );
    const rows = sliceSamples.reduce((sum, samples) => sum + samples, 0);
    const parts = this.#layout.rowElements.map((_, part) => new PartAssembly(partElements(this.#layout, part, rows)));
    for (const [index, contribution] of contributions.entries()) {
      const { slice, attempt } = slices[index]!;
      for (const [part, values] of await this.#readParts(contribution)) {
        for (const chunk of chunksOf(values, this.#wire, CHUNK_BYTES)) {
          // A worker uses its own factors as it sends them, so that all workers compute on the same numbers.
          if (part > 0)
            parts[part]!.add(
              rowStarts[slice]! * this.#layout.rowElements[part]! + chunk.offset,
              decodeFloats(chunk.data, this.#wire),
            );
          this.#connection.send({ type: "gradient-chunk", step, slice, attempt, part, ...chunk });
        }
      }
      const { samples, lossSum, correct } = contribution;
      this.#connection.send({ type: "contribution", step, slice, attempt, samples, lossSum, correct, ms });
      disposeContribution(contribution);
    }
    this.#clock.lap("read-back");
    for (;;) {
      const message = await this.#connection.receive(); // the others' factors, the sums, then the commit
      if (message.type === "update-chunk" && message.step === step) {
        const { part, slice, offset, data } = message;
        const rowStart = part === 0 ? 0 : rowStarts[slice]! * this.#layout.rowElements[part]!;
        parts[part]!.add(rowStart + offset, decodeFloats(data, this.#wire));
      } else if (message.type === "commit" && message.step === step) {
        if (!parts.every((part) => part.complete))
          throw new LockstepError("ERR_COMMIT", `Step ${step} was committed before all of it had come.`);
        return {
          samples: message.samples,
          lossSum: message.lossSum,
          correct: message.correct,
          gradients: this.#gradients(parts, rows),
        };
      } else {
        throw new LockstepError("ERR_MESSAGE_ORDER", `Expected the update of step ${step}, got ${message.type}.`);
      }
    }
  }

  /** The parts of a contribution by number, the factors first: they are forwarded while the rest is added up. */
  async #readParts({ gradients }: Contribution): Promise<[number, Float32Array][]> {
    const dense = new Float32Array(this.#layout.denseElements);
    const parts: [number, Float32Array][] = [];
    for (const [index, gradient] of gradients.entries()) {
      const place = this.#layout.places[index]!;
      if (gradient.form === "dense" && place.form === "dense") {
        dense.set(await readBack(gradient.sum), place.offset);
      } else if (gradient.form === "factored" && place.form === "factored") {
        parts.push(
          [place.inputPart, await readBack(gradient.input)],
          [place.deltaPart, await readBack(gradient.delta)],
        );
      } else throw new Error(`Gradient ${index} is ${gradient.form}, but the plan says ${place.form}.`);
    }
    return [...parts, [0, dense]];
  }

  #gradients(parts: PartAssembly[], rows: number): Gradient[] {
    return this.#layout.places.map((place): Gradient => {
      if (place.form === "dense") {
        const values = parts[0]!.values.slice(place.offset, place.offset + place.elements);
        return { form: "dense", sum: tf.tensor(values, place.shape) };
      }
      const { inputPart, deltaPart, inputs, outputs } = place;
      return {
        form: "factored",
        input: tf.tensor2d(parts[inputPart]!.values, [rows, inputs]),
        delta: tf.tensor2d(parts[deltaPart]!.values, [rows, outputs]),
      };
    });
  }
}
