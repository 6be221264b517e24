/** Weights and momentum that the coordinator sends, while they come. */
import { LockstepError } from "@lockstep/errors";
import { elementsOf, type MessageOf, rawFloats } from "@lockstep/gradient-sync";
import type { StateDict, StateDictName } from "@lockstep/model";

type Kind = "weight" | "velocity";

/** A tensor of one kind that is being received. */
interface IncomingTensor {
  name: string;
  shape: number[];
  data: Float32Array;
  /** Elements of each piece that has come, by where it begins. */
  pieces: Map<number, number>;
}

/** Puts a state together, and knows what is missing. */
export class StateReceiver {
  readonly #tensors: Record<Kind, IncomingTensor[]>;

  constructor(names: readonly StateDictName[]) {
    const empty = () =>
      names.map(({ name, torchShape }) => {
        return { name, shape: torchShape, data: new Float32Array(elementsOf(torchShape)), pieces: new Map() };
      });
    this.#tensors = { weight: empty(), velocity: empty() };
  }

  /**
   * Takes in a piece. If the worker that a state came from is lost, another one's comes from its beginning: what comes
   * last counts.
   *
   * @throws LockstepError ERR_CHUNK for a piece that lies in no tensor
   */
  add({ tensor, kind, offset, data }: MessageOf<"load-chunk">): void {
    const incoming = this.#tensors[kind][tensor];
    const elements = data.length / 4;
    if (!incoming || elements === 0 || !Number.isInteger(elements) || offset + elements > incoming.data.length) {
      throw new LockstepError(
        "ERR_CHUNK",
        `Expected pieces of the model's tensors, got ${data.length} bytes at ${offset} of tensor ${tensor}, which do not lie in it.`,
      );
    }
    incoming.data.set(rawFloats(data), offset);
    incoming.pieces.set(offset, elements);
  }

  /** @throws LockstepError ERR_CHUNK if a piece is missing */
  assertComplete(): void {
    for (const kind of ["weight", "velocity"] as const) {
      for (const { name, data, pieces } of this.#tensors[kind]) {
        const elements = contiguousElements(pieces, data.length);
        if (elements === data.length) continue;
        const text = `Expected ${data.length} numbers of the ${kind} of ${name}, got ${elements}.`;
        throw new LockstepError("ERR_CHUNK", text);
      }
    }
  }

  /** Returns all tensors of one kind. */
  dict(kind: Kind): StateDict {
    return new Map(this.#tensors[kind].map(({ name, shape, data }) => [name, { shape, data }]));
  }
}

/** Counts the elements that have come without a gap, from the first on. */
function contiguousElements(pieces: ReadonlyMap<number, number>, length: number): number {
  let end = 0;
  for (let piece = pieces.get(0); piece !== undefined && end < length; piece = pieces.get(end)) end += piece;
  return end;
}
