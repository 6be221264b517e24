/** The model that a run has before its first worker joins: from its folder, or from `--init-from`. */
import { LockstepError } from "@lockstep/errors";
import type { TfjsTopology } from "@lockstep/formats";
import type { FingerprintFacts } from "@lockstep/gradient-sync";
import { topologyDigest } from "@lockstep/model/files";
import type { ParameterState } from "@lockstep/run";
import { fittedState } from "../state/fitted-state.ts";

/** The model that the first worker must have. */
export interface InitialModel {
  /** Number of updates in the run's metrics. @default 0 */
  updates?: number;
  /** Digest of the topology with which the run began. @default any topology is accepted */
  topologyDigest?: string | undefined;
  /** Weights of a checkpoint or from `--init-from`. @default any model is accepted */
  weights?: readonly ParameterState[] | undefined;
}

/**
 * Throws if the first worker's model is not the one that the run has.
 *
 * @throws LockstepError ERR_MODEL_CHANGED if the run began with another model, ERR_STATE_DICT if the weights do not fit
 */
export function assertInitialModel(
  { topologyDigest: digest, weights }: InitialModel,
  { stateDict }: FingerprintFacts,
  topology: TfjsTopology,
): void {
  if (digest !== undefined && digest !== topologyDigest(topology)) {
    const text = "This worker's model differs from the one that the run started with";
    const remedy = "give the worker the original model, or start a new run with --init-from";
    throw new LockstepError("ERR_MODEL_CHANGED", `${text}; ${remedy}.`);
  }
  if (weights !== undefined) fittedState(weights, stateDict);
}
