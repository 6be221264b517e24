/** What a run of a coordinator begins with: a new folder, or the last checkpoint of an old one. */
import { basename, extname } from "node:path";
import { type ModelFile, type ModelSpec, readModelFile } from "@lockstep/model/files";
import {
  createRunFolder,
  expectNoRun,
  type GivenOptions,
  latestCheckpoint,
  newRunId,
  openRunFolder,
  type ParameterState,
  parseRunFile,
  type RunConfig,
  readWeightsFile,
  resumeConfig,
  withAbsolutePaths,
} from "@lockstep/run";
import type { CoordinatorOptions } from "./coordinator.ts";

export type RunStart = Pick<CoordinatorOptions, "config" | "runId" | "folder" | "model" | "resumed" | "state">;

/** @param out where the user wants the folder */
export async function newRun(given: RunConfig, out: string | undefined): Promise<RunStart> {
  const config = withAbsolutePaths(given);
  if (out !== undefined) expectNoRun(out);
  const state = config.initFrom === undefined ? undefined : withoutMomentum(readWeightsFile(config.initFrom));
  const model = await readModelFile(config.model);
  const folder = createRunFolder(out, basename(config.model, extname(config.model)), new Date());
  return { config, runId: newRunId(), folder, model, state };
}

/** Goes on from the last checkpoint, with the saved options and the changes that a resume allows. */
export async function resumedRun(dir: string, given: GivenOptions): Promise<RunStart> {
  const { folder, config } = openRunFolder(dir);
  const { derived, machine: _, ...saved } = parseRunFile(config, folder.config);
  const resumed = latestCheckpoint(folder.checkpoints, console.warn);
  const model: ModelFile = derived.spec === undefined ? await readModelFile(saved.model) : savedSpec(derived.spec);
  const runId = derived.runId ?? newRunId();
  return { config: withAbsolutePaths(resumeConfig(saved, given)), runId, folder, model, resumed };
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
