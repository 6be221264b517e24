/** Reads a replica's weights and momentum in a checkpoint's form: PyTorch's names and layouts. */

import { createHash } from "node:crypto";
import type { ParameterValues } from "@lockstep/engine";
import { readBack, tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { elementCount } from "@lockstep/formats";
import { fromStateDict, type StateDict, type StateDictName, weightShape } from "@lockstep/model";
import type { ParameterState, StateCapture } from "@lockstep/run";
import type { Replica } from "./replica.ts";

/** The initial weights of a replica, with their momentum if there is any. */
export type InitialValues = ReturnType<typeof parameterValues>;

/** The two arrays of a parameter in the state: its weight and its momentum. */
export type StateKind = "weight" | "velocity";

/** A piece of the state: elements of tensor `tensor`, starting at `offset`. */
export interface SnapshotPiece {
  tensor: number;
  kind: StateKind;
  offset: number;
  values: Float32Array;
}

/**
 * A snapshot of a replica's state, to be read piece by piece while training continues. It holds the tensors, so the
 * next update of each writes to a copy.
 */
export class StateSnapshot {
  readonly #names: readonly StateDictName[];
  readonly #tensors: Record<StateKind, tf.Tensor[]>;

  constructor({ parameters }: Replica, names: readonly StateDictName[]) {
    this.#names = names;
    const hold = (tensor: tf.Tensor) => tf.keep(tensor.clone());
    this.#tensors = {
      weight: names.map((_, index) => hold(parameters.weight(index))),
      velocity: names.map((_, index) => hold(parameters.velocity(index))),
    };
  }

  /** Yields every element once, in pieces of about `pieceElements`. Disposes of each tensor once it is read. */
  async *pieces(pieceElements: number): AsyncGenerator<SnapshotPiece, void> {
    for (const [tensor, name] of this.#names.entries()) {
      for (const kind of ["weight", "velocity"] as const) {
        const source = at(this.#tensors[kind], tensor);
        let offset = 0;
        for (const piece of piecesOf(source, name, pieceElements)) {
          const values = await readBack(piece);
          piece.dispose();
          yield { tensor, kind, offset, values };
          offset += values.length;
        }
        source.dispose();
      }
    }
  }

  /** Disposes of the tensors that were not read. */
  dispose(): void {
    tf.dispose([...this.#tensors.weight, ...this.#tensors.velocity].filter((tensor) => !tensor.isDisposed));
  }
}

/** Captures the current weights and momentum, to be read back while training continues. */
export function captureState(replica: Replica, names: readonly StateDictName[]): StateCapture {
  const snapshot = new StateSnapshot(replica, names);
  return { read: () => readSnapshot(snapshot, names) };
}

async function readSnapshot(snapshot: StateSnapshot, names: readonly StateDictName[]): Promise<ParameterState[]> {
  const state = names.map(({ name, torchShape }) => {
    const elements = elementCount(torchShape);
    return { name, shape: torchShape, weight: new Float32Array(elements), velocity: new Float32Array(elements) };
  });
  for await (const { tensor, kind, offset, values } of snapshot.pieces(PIECE_ELEMENTS)) {
    at(state, tensor)[kind].set(values, offset);
  }
  return state;
}

const PIECE_ELEMENTS = 2 ** 22;

/** Returns the SHA-256, in hex, of the bits of all weights and their momentum. */
export async function stateDigest(replica: Replica, names: readonly StateDictName[]): Promise<string> {
  const hash = createHash("sha256");
  for await (const { values } of new StateSnapshot(replica, names).pieces(PIECE_ELEMENTS)) {
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest("hex");
}

/**
 * Makes the initial values of a replica from a state dict.
 *
 * @param velocities the momentum; absent at the start of a run
 * @throws LockstepError ERR_STATE_DICT if the tensors are not those of the model
 */
export function parameterValues(
  model: tf.LayersModel,
  names: readonly StateDictName[],
  weights: StateDict,
  velocities?: StateDict,
): ParameterValues[] {
  const weightValues = fromStateDict(names, weights);
  const velocityValues = velocities && fromStateDict(names, velocities);
  return model.trainableWeights.map((weight, index) => ({
    name: at(names, index).name,
    shape: weightShape(weight),
    weight: at(weightValues, index),
    ...(velocityValues && { velocity: at(velocityValues, index) }),
  }));
}

/** Yields the tensor in PyTorch's layout, cut along its first axis (the outputs, where layouts differ). */
function* piecesOf(tensor: tf.Tensor, { axes }: StateDictName, pieceElements: number): Generator<tf.Tensor> {
  const [positions, inputs, outputs] = axes ?? [1, 1, tensor.size];
  const rowElements = positions * inputs;
  const rows = Math.max(1, Math.floor(pieceElements / rowElements));
  for (let row = 0; row < outputs; row += rows) {
    yield tf.tidy(() => {
      const slab = tensor
        .reshape([positions, inputs, outputs])
        .slice([0, 0, row], [positions, inputs, Math.min(rows, outputs - row)]);
      return slab.transpose([2, 1, 0]); // [outputs, inputs, positions], see packages/formats/src/tfjs/reverse-axes.ts
    });
  }
}
