/** Receives the weights and momentum that the coordinator sends. */
import { LockstepError } from "@lockstep/errors";
import { elementsOf, type MessageOf, rawFloats } from "@lockstep/gradient-sync";
import type { StateDict, StateDictName } from "@lockstep/model";

type Kind = "weight" | "velocity";

/** A tensor of one kind that is being received. */
interface IncomingTensor {
  name: string;
  shape: number[];
  data: Float32Array;
  /** Number of elements of each received piece, by its offset. */
  pieces: Map<number, number>;
}

/** Assembles a state from its pieces and knows what is missing. */
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
   * Adds a piece. If the worker that sends the state disconnects, another one sends it again from the start, so a later
   * piece replaces an earlier one.
   *
   * @throws LockstepError ERR_CHUNK if the piece lies in no tensor
   */
  add({ tensor, kind, offset, data }: MessageOf<"load-chunk">): void {
    const incoming = this.#tensors[kind][tensor];
    const elements = data.length / 4;
    if (!incoming || elements === 0 || !Number.isInteger(elements) || offset + elements > incoming.data.length) {
      throw new LockstepError(
        "ERR_CHUNK",
        `Expected a piece of one of the model's tensors, got ${data.length} bytes at element ${offset} of tensor ${tensor}, which are outside it.`,
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
        const text = `Expected ${data.length} elements of the ${kind} of ${name}, got ${elements}.`;
        throw new LockstepError("ERR_CHUNK", text);
      }
    }
  }

  /** Returns the tensors of one kind as a state dict. */
  dict(kind: Kind): StateDict {
    return new Map(this.#tensors[kind].map(({ name, shape, data }) => [name, { shape, data }]));
  }
}

/** Counts the received elements before the first gap. */
function contiguousElements(pieces: ReadonlyMap<number, number>, length: number): number {
  let end = 0;
  for (let piece = pieces.get(0); piece !== undefined && end < length; piece = pieces.get(end)) end += piece;
  return end;
}
