/** What a run has of its model before its first worker comes: from a run folder, or from --init-from. */
import { LockstepError } from "@lockstep/errors";
import type { TfjsTopology } from "@lockstep/formats";
import type { FingerprintFacts } from "@lockstep/gradient-sync";
import { topologyDigest } from "@lockstep/model/files";
import type { ParameterState } from "@lockstep/run";
import { fittedState } from "../state/fitted-state.ts";

/** The model that the first worker must have. */
export interface InitialModel {
  /** Number of updates that the run's rows tell of. @default 0 */
  updates?: number;
  /** Digest of the topology that the run had before. @default any will do */
  topologyDigest?: string | undefined;
  /** Weights of a checkpoint, or of --init-from. @default any model will do */
  weights?: readonly ParameterState[] | undefined;
}

/**
 * Compares the first worker's model with what the run has of it.
 *
 * @throws LockstepError ERR_MODEL_CHANGED for another model than the run had when it was begun, ERR_STATE_DICT for one
 *   that the weights do not fit
 */
export function assertInitialModel(
  { topologyDigest: digest, weights }: InitialModel,
  { stateDict }: FingerprintFacts,
  topology: TfjsTopology,
): void {
  if (digest !== undefined && digest !== topologyDigest(topology)) {
    const text = "Its model is not the one that this run began with";
    throw new LockstepError("ERR_MODEL_CHANGED", `${text}; give it that one, or begin a new run with --init-from.`);
  }
  if (weights !== undefined) fittedState(weights, stateDict);
}
