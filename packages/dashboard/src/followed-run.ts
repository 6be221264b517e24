/** Follows a run that another process computes, by reading the files in its folder. */
import { basename, resolve } from "node:path";
import { openRunFolder, parseEventLog, parseMetrics, parseRunFile, readReport, watchRunFolder } from "@lockstep/run";
import { hasLeft, isOver, LiveRun, type RunSnapshot, sharesOf, type WorkerNow } from "@lockstep/run/live";
import { GrowingFile } from "./growing-file.ts";

const KILLED = "no process writes to the run's folder any more; the run was killed";

/** A run that another process computes, as its folder shows it. */
export interface FollowedRun {
  live: LiveRun;
  /** Reads the lines that were added since the last poll. @throws LockstepError ERR_RUN_FILE or ERR_METRICS */
  poll(): void;
}

/** Reads a run's folder, and returns how to follow it. @throws LockstepError ERR_NO_RUN, ERR_RUN_FILE or ERR_METRICS */
export function followRun(dir: string): FollowedRun {
  const { folder } = openRunFolder(dir);
  const live = new LiveRun();
  const facts = new GrowingFile(folder.config);
  const events = new GrowingFile(folder.eventLog);
  const rows = new GrowingFile(folder.metrics);
  const report = new GrowingFile(folder.report);
  const isHeld = watchRunFolder(folder);

  function poll(): void {
    const isOwned = isHeld(); // checked first, or the last lines of a run that ends now would be missed
    for (const update of parseEventLog(events.read().text)) live.apply(update);
    if (facts.read().isReplaced) {
      const run = parseRunFile(openRunFolder(dir).config, folder.config);
      live.apply({ type: "facts", name: basename(resolve(dir)), run });
    }
    const { text, isReplaced, linesBefore } = rows.read();
    const newRows = parseMetrics(text, folder.metrics, linesBefore);
    if (isReplaced) live.apply({ type: "history", rows: newRows });
    else for (const row of newRows) live.apply({ type: "row", row });
    const written = report.read().isReplaced || isReplaced ? readReport(folder.report) : undefined;
    if (written !== undefined) live.apply({ type: "report", report: written });
    if (!isOwned && !isOver(live.snapshot())) live.event(KILLED, "stopped");
    if (newRows.length === 0) return;
    live.apply({ type: "team", workers: teamOf(live.snapshot()) });
    updateProgress(live);
  }

  poll();
  return { live, poll };
}

/** Reads a run's folder once. @throws LockstepError ERR_NO_RUN, ERR_RUN_FILE or ERR_METRICS */
export const readRun = (dir: string): LiveRun => followRun(dir).live;

/**
 * Returns the workers that have not left. Those with samples in the last step take part; the state of the others is
 * unchanged. A run that has ended has none.
 */
function teamOf(now: Readonly<RunSnapshot>): WorkerNow[] {
  if (isOver(now)) return [];
  const { workers, recent } = now;
  const last = recent.at(-1);
  const contributors = new Set(last && sharesOf(last).map(({ name }) => name));
  return workers
    .filter((worker) => !hasLeft(worker))
    .map(({ name, device, backend, state }) => ({
      name,
      device,
      backend,
      slices: [],
      state: contributors.has(name) ? "in" : state,
    }));
}

/** Updates the progress: the remaining time follows from the speed of the last steps. */
function updateProgress(live: LiveRun): void {
  const { recent, run, stepsDone } = live.snapshot();
  const last = recent.at(-1);
  if (last === undefined || run === undefined) return;
  const { steps } = run.derived;
  const seconds = recent.reduce((total, { ms }) => total + ms.step, 0) / 1000;
  const samples = recent.reduce((total, row) => total + row.samples, 0);
  const secondsLeft = ((steps - stepsDone) * seconds) / recent.length;
  const progress = { step: stepsDone, steps, loss: last.loss, samplesPerSecond: samples / seconds, secondsLeft };
  live.apply({ type: "progress", progress });
}
