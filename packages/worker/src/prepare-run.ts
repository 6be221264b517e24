/** Prepares the run that a coordinator's `welcome` describes, with this machine's model file, data and limits. */
import { type ExplicitOptions, type MachineOptions, makeConfig, type RunConfig } from "@lockstep/config";
import type { RecordSupply } from "@lockstep/dataset";
import type { Engine } from "@lockstep/engine";
import { excerpt, LockstepError } from "@lockstep/errors";
import type { MessageOf } from "@lockstep/gradient-sync";
import { isKnownModel } from "@lockstep/model";
import { type PreparedRun, prepare } from "@lockstep/training";

/** Options of `prepareRun`: what this machine provides. */
export interface PrepareOptions {
  /** Path of this machine's copy of a model that is code. */
  model?: string | undefined;
  /** Folder of the data set's files on this machine. */
  dataDir?: string | undefined;
  maxRows?: number | undefined;
  machine: MachineOptions;
  log: (line: string) => void;
}

/** Returns the options of the run. @throws LockstepError ERR_OPTION */
export function runConfigOf({ config }: Pick<MessageOf<"welcome">, "config">): RunConfig {
  return makeConfig(config as ExplicitOptions);
}

/**
 * Prepares the run that a coordinator has described.
 *
 * @param fetch requests records from the coordinator, for a machine without files
 * @throws LockstepError ERR_MODEL_CODE if the model is code that this machine does not have, ERR_MODEL if it cannot be
 *   loaded, or as `prepare`
 */
export async function prepareRun(
  { model, dataDir, maxRows, machine, log }: PrepareOptions,
  engine: Engine,
  welcome: MessageOf<"welcome">,
  fetch: RecordSupply["fetch"],
): Promise<PreparedRun> {
  const { spec, codeModel, supplied } = welcome;
  const runConfig = runConfigOf(welcome);
  if (codeModel && model === undefined) {
    throw new LockstepError(
      "ERR_MODEL_CODE",
      `The model of this run, ${excerpt(runConfig.model)}, is code, which is never sent. Copy its file to this machine and name it: pnpm worker --model <path>`,
    );
  }
  if (!codeModel && spec === undefined && !isKnownModel(runConfig.model)) {
    const text = `Expected the coordinator to name a built-in model or to send one as data, got ${excerpt(runConfig.model)}`;
    throw new LockstepError("ERR_MODEL", `${text}. To load a file of this machine, name it with --model.`);
  }
  const localConfig = {
    ...runConfig,
    ...(codeModel && model !== undefined && { model }),
    // Without --data-dir, a worker looks in the default folder and then asks the coordinator.
    dataDir: dataDir ?? (supplied === undefined ? runConfig.dataDir : undefined),
    maxRows: maxRows ?? runConfig.maxRows,
  };
  return prepare(localConfig, machine, log, { engine, spec, supply: supplied && { facts: supplied, fetch } });
}
