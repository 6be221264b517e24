/** Opens a run: a new one, or an earlier one that goes on, on one machine and with workers alike. */
import { basename, extname } from "node:path";
import {
  type ExplicitOptions,
  type MachineOptions,
  type RunConfig,
  resumeConfig,
  withAbsolutePaths,
} from "@lockstep/config";
import type { Weights } from "@lockstep/formats";
import { type Checkpoint, lastCheckpoint } from "./folder/checkpoint.ts";
import { type Derived, newRunId, parseRunFile, type RunId } from "./folder/run-file.ts";
import { assertNoRun, createRunFolder, openRunFolder, type RunFolder } from "./folder/run-folder.ts";
import { readWeightsFile } from "./folder/weights.ts";

/** Asks for a run in a folder of its own, or for an earlier one to go on with the changes that a resume allows. */
export type RunRequest =
  | { type: "new"; config: RunConfig; out: string | undefined }
  | { type: "resume"; dir: string; explicit: ExplicitOptions };

/** The start of a run, as far as it is known without its model. */
export interface RunInputs {
  config: RunConfig;
  /** Stays the same through resumes. */
  runId: RunId;
  /** What config.json of a resumed run holds beside its options. */
  saved?: { derived: Derived; machine: MachineOptions } | undefined;
  /** The last one of a resumed run; undefined if none was written yet. */
  checkpoint?: Checkpoint | undefined;
  /** The file of --init-from, for a run without a checkpoint. */
  initialWeights?: Weights | undefined;
}

/** A run with a folder, which this process may not hold yet. */
export interface OpenedRun extends RunInputs {
  folder: RunFolder;
}

/**
 * Opens a run. The folder of a new one is made last, when nothing can be wrong with its model and its data any more.
 *
 * @param check finds what is wrong with model and data, and returns what it has made of them
 * @param warn hears of checkpoints that cannot be read
 * @throws LockstepError ERR_RUN_EXISTS, ERR_NO_RUN, ERR_RUN_FILE, ERR_NO_CHECKPOINT or what `check` throws
 */
export async function openRun<Model>(
  request: RunRequest,
  check: (start: RunInputs) => Promise<Model>,
  warn: (line: string) => void,
): Promise<{ run: OpenedRun; model: Model }> {
  if (request.type === "new") {
    if (request.out !== undefined) assertNoRun(request.out);
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
    checkpoint,
    initialWeights: checkpoint === undefined ? initialWeights(config) : undefined,
  };
  return { model: await check(start), run: { ...start, folder } };
}

function initialWeights({ initFrom }: RunConfig): Weights | undefined {
  return initFrom === undefined ? undefined : readWeightsFile(initFrom);
}
