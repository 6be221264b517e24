/** What a run of a coordinator begins with: a new folder, or the last checkpoint of an old one. */
import { basename, extname } from "node:path";
import {
  createRunFolder,
  expectNoRun,
  type GivenOptions,
  latestCheckpoint,
  openRunFolder,
  type ParameterState,
  parseRunFile,
  type RunConfig,
  readWeightsFile,
  resumeConfig,
} from "@lockstep/run";
import type { CoordinatorOptions } from "./coordinator.ts";

export type RunStart = Pick<CoordinatorOptions, "config" | "folder" | "resumed" | "state">;

/** @param out where the user wants the folder */
export function newRun(config: RunConfig, out: string | undefined): RunStart {
  if (out !== undefined) expectNoRun(out);
  const state = config.initFrom === undefined ? undefined : withoutMomentum(readWeightsFile(config.initFrom));
  return { config, folder: createRunFolder(out, basename(config.model, extname(config.model)), new Date()), state };
}

/** Goes on from the last checkpoint, with the saved options and the changes that a resume allows. */
export function resumedRun(dir: string, given: GivenOptions): RunStart {
  const { folder, config } = openRunFolder(dir);
  const { derived: _, machine: __, ...saved } = parseRunFile(config, folder.config);
  return { config: resumeConfig(saved, given), folder, resumed: latestCheckpoint(folder.checkpoints, console.warn) };
}

function withoutMomentum(weights: ReturnType<typeof readWeightsFile>): ParameterState[] {
  return [...weights].map(([name, { shape, data }]) => ({
    name,
    shape,
    weight: data,
    velocity: new Float32Array(data.length),
  }));
}
