/** From a coordinator's `welcome` to a run that this machine can compute: its own model, data and limits count. */
import { type ExplicitOptions, type MachineOptions, makeConfig } from "@lockstep/config";
import type { RecordSupply } from "@lockstep/dataset";
import type { Engine } from "@lockstep/engine";
import { excerpt, LockstepError } from "@lockstep/errors";
import type { MessageOf } from "@lockstep/gradient-sync";
import { isKnownModel } from "@lockstep/model";
import { type PreparedRun, prepare } from "@lockstep/training";

/** What this machine has of a run. */
export interface PrepareOptions {
  /** This machine's copy of a model that is made by code. */
  model?: string | undefined;
  /** Where this machine has the data set's files. */
  dataDir?: string | undefined;
  maxRows?: number | undefined;
  machine: MachineOptions;
  log: (line: string) => void;
}

/**
 * Prepares the run that a coordinator has described.
 *
 * @param fetch asks the coordinator for records, where this machine has no files
 * @throws LockstepError ERR_MODEL_CODE if the model is made by code that is not here, ERR_MODEL if the coordinator
 *   names none that can be loaded, or what is missing on this machine
 */
export async function prepareRun(
  { model, dataDir, maxRows, machine, log }: PrepareOptions,
  engine: Engine,
  { config, spec, codeModel, supplied }: MessageOf<"welcome">,
  fetch: RecordSupply["fetch"],
): Promise<PreparedRun> {
  const runConfig = makeConfig(config as ExplicitOptions);
  if (codeModel && model === undefined) {
    throw new LockstepError(
      "ERR_MODEL_CODE",
      `The model of this run, ${excerpt(runConfig.model)}, is made by code, which is never sent. Copy its file here and name it: pnpm worker --model <path>`,
    );
  }
  if (!codeModel && spec === undefined && !isKnownModel(runConfig.model)) {
    const text = `Expected the coordinator to name a model that Lockstep has, or to send one as data, got ${excerpt(runConfig.model)}`;
    throw new LockstepError("ERR_MODEL", `${text}; a file of this machine is loaded only if --model names it here.`);
  }
  const localConfig = {
    ...runConfig,
    ...(codeModel && model !== undefined && { model }),
    // Without a folder of its own, a worker looks in the usual place and then asks the coordinator.
    dataDir: dataDir ?? (supplied === undefined ? runConfig.dataDir : undefined),
    maxRows: maxRows ?? runConfig.maxRows,
  };
  return prepare(localConfig, machine, log, { engine, spec, supply: supplied && { facts: supplied, fetch } });
}
