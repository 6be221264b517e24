/** The records of the data set on the coordinator's machine, for workers that do not have the files. */
import type { RunConfig } from "@lockstep/config";
import { cifar10Files, defaultDataDir, openRecordSource, type RecordSource } from "@lockstep/dataset";

/** Opens the data set's records; undefined if this machine does not have the files either. */
export async function openLocalRecords({ dataset, dataDir }: RunConfig): Promise<RecordSource | undefined> {
  if (dataset !== "cifar10" || cifar10Files(dataDir ?? defaultDataDir(dataset)) === undefined) return undefined;
  return openRecordSource(dataset, { dataDir });
}
