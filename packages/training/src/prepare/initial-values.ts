/** The weights and momentum that a local run starts or resumes with. */
import { fitStateDict, initialWeights, prefixLine, type StateDict, toStateDict } from "@lockstep/model";
import type { RunInputs } from "@lockstep/run";
import { type InitialValues, parameterValues } from "../state.ts";
import type { PreparedRun } from "./prepare.ts";

/**
 * Returns the values of the checkpoint, else those of --init-from, else those that the model's module sets and the seed
 * draws.
 *
 * @param log called with a line if a prefix of the file's names is ignored
 * @throws LockstepError ERR_STATE_DICT if the tensors are not those of the model
 */
export async function initialValues(
  { config, loaded, names, own }: PreparedRun,
  { checkpoint, initialWeights: initFrom }: Pick<RunInputs, "checkpoint" | "initialWeights">,
  log: (line: string) => void,
): Promise<InitialValues> {
  const { model } = loaded;
  if (checkpoint !== undefined) {
    const dict = (kind: "weight" | "velocity"): StateDict =>
      new Map(checkpoint.tensors.map((tensor) => [tensor.name, { shape: tensor.shape, data: tensor[kind] }]));
    return parameterValues(model, names, dict("weight"), dict("velocity"));
  }
  if (initFrom === undefined)
    return parameterValues(model, names, toStateDict(names, await initialWeights(model, config, own)));
  const { tensors, prefix } = fitStateDict(names, initFrom);
  if (prefix !== "") log(prefixLine(prefix));
  return parameterValues(model, names, tensors);
}
