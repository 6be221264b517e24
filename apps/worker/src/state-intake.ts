/** Weights and momentum that the coordinator sends, while they come. */
import { type CoordinatorMessage, elementsOf, PartAssembly, rawFloats } from "@lockstep/gradient-sync";
import type { StateDict, StateDictName } from "@lockstep/model";

export class StateIntake {
  readonly #names: readonly StateDictName[];
  readonly #parts: Record<"weight" | "velocity", PartAssembly[]>;

  constructor(names: readonly StateDictName[]) {
    this.#names = names;
    const empty = () => names.map(({ torchShape }) => new PartAssembly(elementsOf(torchShape)));
    this.#parts = { weight: empty(), velocity: empty() };
  }

  /** @throws LockstepError ERR_CHUNK for a piece that does not fit */
  take({ tensor, kind, offset, data }: Extract<CoordinatorMessage, { type: "load-chunk" }>): void {
    this.#parts[kind][tensor]!.add(offset, rawFloats(data));
  }

  /** The whole of one kind. */
  dict(kind: "weight" | "velocity"): StateDict {
    const values = this.#parts[kind];
    return new Map(
      this.#names.map(({ name, torchShape }, index) => [name, { shape: torchShape, data: values[index]!.values }]),
    );
  }
}
