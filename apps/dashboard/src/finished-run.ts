/** A run as its folder tells it. */
import { basename, resolve } from "node:path";
import { openRunFolder, parseRunFile, readEvents, readMetrics, readReport } from "@lockstep/run";
import { LiveRun } from "@lockstep/run/live";

/** @throws LockstepError ERR_NO_RUN, ERR_RUN_FILE or ERR_METRICS */
export function readRun(dir: string): LiveRun {
  const { folder, config } = openRunFolder(dir);
  const live = new LiveRun();
  for (const event of readEvents(folder.eventLog)) live.take({ type: "event", event });
  live.take({ type: "facts", name: basename(resolve(dir)), run: parseRunFile(config, folder.config) });
  live.take({ type: "history", rows: readMetrics(folder.metrics) });
  const report = readReport(folder.report);
  if (report !== undefined) live.take({ type: "report", report });
  live.take({ type: "team", workers: [] }); // nobody is there any more
  return live;
}
