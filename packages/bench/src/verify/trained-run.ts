/** Reads the losses and weights of a finished run, to compare them. */
import { openRunFolder, parseRunFile, readMetrics, readWeights } from "@lockstep/run";

/** The losses and final weights of a run. */
export interface TrainedRun {
  /** Losses by step. */
  losses: number[];
  /** Weights by name. */
  weights: ReadonlyMap<string, { data: Float32Array }>;
}

/** Reads a finished run from its folder. */
export function readTrainedRun(dir: string): TrainedRun {
  const { folder, config } = openRunFolder(dir);
  const { derived } = parseRunFile(config, folder.config);
  const losses = readMetrics(folder.metrics).flatMap((row) => (row.type === "step" ? [row.loss] : []));
  return { losses, weights: readWeights(folder, derived.modelName) };
}
