/** Opens a run, new or resumed, in one process or with workers. */
import { basename, extname } from "node:path";
import {
  type ExplicitOptions,
  type MachineOptions,
  type RunConfig,
  resumeConfig,
  withAbsolutePaths,
} from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { pathKind } from "@lockstep/files";
import type { Weights } from "@lockstep/formats";
import { type Checkpoint, lastCheckpoint } from "./folder/checkpoint.ts";
import { type Derived, newRunId, parseRunFile, type RunId } from "./folder/run-file.ts";
import { assertCanCreateRun, createRunFolder, openRunFolder, type RunFolder } from "./folder/run-folder.ts";
import { readWeightsFile } from "./folder/weights.ts";

/** Asks for a new run, or for an earlier run to be resumed with the explicit options. */
export type RunRequest =
  | { type: "new"; config: RunConfig; out: string | undefined }
  | { type: "resume"; dir: string; explicit: ExplicitOptions };

/** Everything about a run that is known before its model is loaded. */
export interface RunInputs {
  config: RunConfig;
  /** Identifies the run; a resume keeps it. */
  runId: RunId;
  /** Contents of config.json besides the options, for a resumed run. */
  saved?: { derived: Derived; machine: MachineOptions } | undefined;
  /** Folder of a resumed run. */
  folder?: RunFolder | undefined;
  /** Last checkpoint of a resumed run; undefined if none was written yet. */
  checkpoint?: Checkpoint | undefined;
  /** Weights of --init-from, for a run without a checkpoint. */
  initialWeights?: Weights | undefined;
}

/** A run and its folder, whose lease this process may not hold yet. */
export interface OpenedRun extends RunInputs {
  folder: RunFolder;
}

/**
 * Opens a run. The folder of a new run is created last, after its model and data have been checked.
 *
 * @param check loads and checks the model and the data
 * @param warn called with a line for each checkpoint that cannot be read
 * @throws LockstepError ERR_RUN_EXISTS, ERR_NOT_WRITABLE, ERR_NO_RUN, ERR_RUN_FILE, ERR_SAFETENSORS, ERR_NO_CHECKPOINT
 *   or what `check` throws
 */
export async function openRun<Model>(
  request: RunRequest,
  check: (start: RunInputs) => Promise<Model>,
  warn: (line: string) => void,
): Promise<{ run: OpenedRun; model: Model }> {
  if (request.type === "new") {
    assertCanCreateRun(request.out);
    const config = withAbsolutePaths(request.config);
    const start = { config, runId: newRunId(), initialWeights: initialWeights(config) };
    const model = await check(start);
    const label = basename(config.model, extname(config.model));
    return { run: { ...start, folder: createRunFolder(request.out, label, new Date()) }, model };
  }
  const { folder, config: content } = openRunFolder(request.dir);
  const { derived, machine, ...options } = parseRunFile(content, folder.config);
  const checkpoint = lastCheckpoint(folder.checkpoints, warn);
  const config = withAbsolutePaths(resumeConfig(options, request.explicit));
  const start = {
    config,
    runId: derived.runId ?? newRunId(),
    saved: { derived, machine },
    folder,
    checkpoint,
    initialWeights: checkpoint === undefined ? initialWeights(config) : undefined,
  };
  return { model: await check(start), run: start };
}

function initialWeights({ initFrom }: RunConfig): Weights | undefined {
  if (initFrom === undefined) return undefined;
  if (pathKind(initFrom) !== "nothing") return readWeightsFile(initFrom);
  throw new LockstepError(
    "ERR_SAFETENSORS",
    `Expected --init-from to be a .safetensors file, but ${initFrom} does not exist. Correct the path, or omit --init-from.`,
  );
}
