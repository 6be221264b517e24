/** Puts weights and momentum from a file in the order of a run's state dict, in which workers number the tensors. */
import { fitStateDict } from "@lockstep/model/files";
import type { ParameterState } from "@lockstep/run";
import type { StateSpec } from "./state-streams.ts";

/**
 * Returns the state under the names and in the order of the run's state dict.
 *
 * @throws LockstepError ERR_STATE_DICT for tensors that are not those of the state dict
 */
export function fittedState(
  state: readonly ParameterState[],
  stateDict: readonly StateSpec[],
): { tensors: ParameterState[]; prefix: string } {
  const expected = stateDict.map(({ name, shape }) => ({ name, torchShape: shape }));
  const { tensors, prefix } = fitStateDict(expected, new Map(state.map((tensor) => [tensor.name, tensor])));
  return { tensors: [...tensors].map(([name, tensor]) => ({ ...tensor, name })), prefix };
}
