/** The welcome message, which describes the run to a worker that connects. */
import type { RecordSource } from "@lockstep/dataset";
import type { Welcome } from "../connections/ready-session.ts";
import type { DistributedRun } from "./open-run.ts";

/** Returns the body of the welcome. @param records the source for workers without files, if this machine has them */
export function welcomeMessage(
  { run: { config, runId }, model }: DistributedRun,
  records: RecordSource | undefined,
): Welcome {
  return {
    run: runId,
    config: { ...config },
    codeModel: model.kind === "code",
    ...(model.kind === "spec" && { spec: model.spec }),
    ...(records && { supplied: records.facts }),
  };
}
