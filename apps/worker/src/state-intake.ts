/** Weights and momentum that the coordinator sends, while they come. */
import { LockstepError } from "@lockstep/errors";
import { type CoordinatorMessage, elementsOf, rawFloats } from "@lockstep/gradient-sync";
import type { StateDict, StateDictName } from "@lockstep/model";

export class StateIntake {
  readonly #names: readonly StateDictName[];
  readonly #values: Record<"weight" | "velocity", Float32Array[]>;

  constructor(names: readonly StateDictName[]) {
    this.#names = names;
    const empty = () => names.map(({ torchShape }) => new Float32Array(elementsOf(torchShape)));
    this.#values = { weight: empty(), velocity: empty() };
  }

  /**
   * If the worker that a state came from is lost, another one's comes from its beginning: what comes last counts.
   *
   * @throws LockstepError ERR_CHUNK for a piece that lies in no tensor
   */
  take({ tensor, kind, offset, data }: Extract<CoordinatorMessage, { type: "load-chunk" }>): void {
    const whole = this.#values[kind][tensor];
    if (whole === undefined || data.length % 4 !== 0 || offset + data.length / 4 > whole.length) {
      throw new LockstepError("ERR_CHUNK", `${data.length} bytes at ${offset} lie in no tensor number ${tensor}.`);
    }
    whole.set(rawFloats(data), offset);
  }

  /** The whole of one kind. */
  dict(kind: "weight" | "velocity"): StateDict {
    const values = this.#values[kind];
    return new Map(
      this.#names.map(({ name, torchShape }, index) => [name, { shape: torchShape, data: values[index]! }]),
    );
  }
}
