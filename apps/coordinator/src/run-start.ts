/** What a run of a coordinator begins with: a new folder, or the last checkpoint of an old one. */
import { basename, extname } from "node:path";
import { type ModelFile, type ModelSpec, readModelFile } from "@lockstep/model/files";
import {
  type Checkpoint,
  checkpointBefore,
  createRunFolder,
  expectNoRun,
  type GivenOptions,
  latestCheckpoint,
  newRunId,
  openRunFolder,
  type ParameterState,
  parseRunFile,
  type RunConfig,
  type RunFolder,
  readWeightsFile,
  resumeConfig,
  withAbsolutePaths,
} from "@lockstep/run";
import type { CoordinatorOptions } from "./coordinator.ts";

export type RunStart = Pick<
  CoordinatorOptions,
  "config" | "runId" | "folder" | "model" | "resumed" | "topologyDigest" | "state" | "machine" | "before"
>;

/** @param out where the user wants the folder */
export async function newRun(given: RunConfig, out: string | undefined): Promise<RunStart> {
  const config = withAbsolutePaths(given);
  if (out !== undefined) expectNoRun(out);
  const state = config.initFrom === undefined ? undefined : withoutMomentum(readWeightsFile(config.initFrom));
  const model = await readModelFile(config.model);
  const folder = createRunFolder(out, basename(config.model, extname(config.model)), new Date());
  return { config, runId: newRunId(), folder, model, state };
}

/**
 * Goes on from the last checkpoint, with the saved options and the changes that a resume allows; without a checkpoint,
 * from what workers hold, or from the start.
 */
export async function resumedRun(dir: string, given: GivenOptions, warn: (message: string) => void): Promise<RunStart> {
  const { folder, config } = openRunFolder(dir);
  const { derived, machine, ...saved } = parseRunFile(config, folder.config);
  const resumed = lastCheckpoint(folder, warn);
  const model: ModelFile = derived.spec === undefined ? await readModelFile(saved.model) : savedSpec(derived.spec);
  const runId = derived.runId ?? newRunId();
  const { topologyDigest } = derived;
  const start = { runId, folder, model, resumed, topologyDigest, machine, before: derived };
  return { config: withAbsolutePaths(resumeConfig(saved, given)), ...start };
}

/** @returns undefined if none was written yet. @throws LockstepError ERR_NO_CHECKPOINT if none of them can be read */
export function lastCheckpoint({ checkpoints }: RunFolder, warn: (message: string) => void): Checkpoint | undefined {
  const isFirst = checkpointBefore(checkpoints, Number.POSITIVE_INFINITY) === undefined;
  return isFirst ? undefined : latestCheckpoint(checkpoints, warn);
}

/** The layers that the run began with: the user's file may have changed, or be gone. The workers check it. */
function savedSpec(spec: unknown): ModelFile {
  return { kind: "spec", spec: spec as ModelSpec };
}

function withoutMomentum(weights: ReturnType<typeof readWeightsFile>): ParameterState[] {
  return [...weights].map(([name, { shape, data }]) => ({
    name,
    shape,
    weight: data,
    velocity: new Float32Array(data.length),
  }));
}
