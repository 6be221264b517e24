/** What workers are told of a run when they connect. */
import type { RunConfig } from "@lockstep/config";
import { cifar10Files, defaultDataDir, openRecordSource, type RecordSource } from "@lockstep/dataset";
import type { DistributedRun } from "./open-run.ts";

/** Returns the welcome of each worker. @param records that workers without files are given */
export function welcomeTo({ run: { config, runId }, model }: DistributedRun, records: RecordSource | undefined) {
  return {
    run: runId,
    config: { ...config },
    codeModel: model.kind === "code",
    ...(model.kind === "spec" && { spec: model.spec }),
    ...(records && { supplied: records.facts }),
  };
}

/** Opens the data set's records, for workers without files; undefined if they are not here either. */
export async function openRecordsHere({ dataset, dataDir }: RunConfig): Promise<RecordSource | undefined> {
  if (dataset !== "cifar10" || cifar10Files(dataDir ?? defaultDataDir(dataset)) === undefined) return undefined;
  return openRecordSource(dataset, { dataDir });
}
