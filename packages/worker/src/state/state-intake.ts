/** Weights and momentum that the coordinator sends, while they come. */
import { LockstepError } from "@lockstep/errors";
import { type CoordinatorMessage, elementsOf, rawFloats } from "@lockstep/gradient-sync";
import type { StateDict, StateDictName } from "@lockstep/model";

export class StateIntake {
  readonly #names: readonly StateDictName[];
  readonly #values: Record<"weight" | "velocity", Float32Array[]>;
  /** Elements of each piece of a tensor, by where it begins. */
  readonly #pieces: Record<"weight" | "velocity", Map<number, number>[]>;

  constructor(names: readonly StateDictName[]) {
    this.#names = names;
    const empty = () => names.map(({ torchShape }) => new Float32Array(elementsOf(torchShape)));
    this.#values = { weight: empty(), velocity: empty() };
    const none = () => names.map(() => new Map<number, number>());
    this.#pieces = { weight: none(), velocity: none() };
  }

  /**
   * If the worker that a state came from is lost, another one's comes from its beginning: what comes last counts.
   *
   * @throws LockstepError ERR_CHUNK for a piece that lies in no tensor
   */
  take({ tensor, kind, offset, data }: Extract<CoordinatorMessage, { type: "load-chunk" }>): void {
    const whole = this.#values[kind][tensor];
    if (whole === undefined || data.length === 0 || data.length % 4 !== 0 || offset + data.length / 4 > whole.length) {
      throw new LockstepError(
        "ERR_CHUNK",
        `Expected pieces of the model's tensors, got ${data.length} bytes at ${offset} of tensor ${tensor}, which do not lie in it.`,
      );
    }
    whole.set(rawFloats(data), offset);
    this.#pieces[kind][tensor]!.set(offset, data.length / 4);
  }

  /** @throws LockstepError ERR_CHUNK if a piece is missing */
  assertWhole(): void {
    for (const kind of ["weight", "velocity"] as const) {
      for (const [tensor, { length }] of this.#values[kind].entries()) {
        const pieces = this.#pieces[kind][tensor]!;
        let end = 0;
        while (pieces.has(end) && end < length) end += pieces.get(end)!;
        if (end === length) continue;
        const text = `Expected ${length} numbers of the ${kind} of ${this.#names[tensor]!.name}, got ${end}.`;
        throw new LockstepError("ERR_CHUNK", text);
      }
    }
  }

  /** The whole of one kind. */
  dict(kind: "weight" | "velocity"): StateDict {
    const values = this.#values[kind];
    return new Map(
      this.#names.map(({ name, torchShape }, index) => [name, { shape: torchShape, data: values[index]! }]),
    );
  }
}
