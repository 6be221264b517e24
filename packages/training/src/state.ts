/** A replica's weights and momentum as a checkpoint has them: under PyTorch's names, in PyTorch's layouts. */

import { createHash } from "node:crypto";
import type { ParameterValues } from "@lockstep/engine";
import { readBack, tf } from "@lockstep/engine";
import { elementCount } from "@lockstep/formats";
import { fromStateDict, type StateDict, type StateDictName } from "@lockstep/model";
import type { ParameterState, StateCapture } from "@lockstep/run";
import type { Replica } from "./replica.ts";

/** The weights of a replica to begin with, and their momentum if there is any. */
export type InitialValues = ReturnType<typeof parameterValues>;

/** The two arrays that a parameter has in the state: its weight and its momentum. */
export type StateKind = "weight" | "velocity";

/** A piece of the state: elements of tensor number `tensor` from `offset` on. */
export interface StatePiece {
  tensor: number;
  kind: StateKind;
  offset: number;
  values: Float32Array;
}

/**
 * The state of a replica as it is now, to be read piece by piece while training goes on. It holds the tensors, so the
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

  /** Every element once, in pieces of about `pieceElements` at the most; a tensor is let go when it has been read. */
  async *pieces(pieceElements: number): AsyncGenerator<StatePiece, void> {
    for (const [tensor, name] of this.#names.entries()) {
      for (const kind of ["weight", "velocity"] as const) {
        const source = this.#tensors[kind][tensor]!;
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

  /** Lets go of what was not read. */
  dispose(): void {
    tf.dispose([...this.#tensors.weight, ...this.#tensors.velocity].filter((tensor) => !tensor.isDisposed));
  }
}

/** Fixes the current weights and momentum, to be copied from the device while training goes on. */
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
    state[tensor]![kind].set(values, offset);
  }
  return state;
}

const PIECE_ELEMENTS = 2 ** 22;

/** SHA-256, in hex, of the bits of all weights and their momentum. */
export async function stateDigest(replica: Replica, names: readonly StateDictName[]): Promise<string> {
  const hash = createHash("sha256");
  for await (const { values } of new StateSnapshot(replica, names).pieces(PIECE_ELEMENTS)) {
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest("hex");
}

/**
 * What a replica starts from.
 *
 * @param velocities absent at the start of a training
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
  return model.trainableWeights.map(({ shape }, index) => ({
    name: names[index]!.name,
    shape: shape as number[],
    weight: weightValues[index]!,
    ...(velocityValues && { velocity: velocityValues[index]! }),
  }));
}

/** The tensor in PyTorch's layout, cut along its first axis (the outputs, where layouts differ). */
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
