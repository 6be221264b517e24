/** The welcome message, which describes the run to a worker that connects. */
import type { RecordSource } from "@lockstep/dataset";
import type { MessageOf } from "@lockstep/gradient-sync";
import type { DistributedRun } from "./open-run.ts";

/** The facts of the run in a `welcome`; the session adds those of the worker. */
type WelcomeBody = Omit<MessageOf<"welcome">, "type" | "workerId" | "heartbeatMs">;

/** Returns the body of the welcome. @param records the source for workers without files, if this machine has them */
export function welcomeMessage(
  { run: { config, runId }, model }: DistributedRun,
  records: RecordSource | undefined,
): WelcomeBody {
  return {
    run: runId,
    config: { ...config },
    codeModel: model.kind === "code",
    ...(model.kind === "spec" && { spec: model.spec }),
    ...(records && { supplied: records.facts }),
  };
}
