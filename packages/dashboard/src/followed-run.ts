/** A run as its folder tells it: what is there, and then what comes. */
import { basename, resolve } from "node:path";
import { openRunFolder, parseEventLog, parseMetrics, parseRunFile, readReport, watchRunFolder } from "@lockstep/run";
import { hasLeft, isOver, LiveRun, type RunSnapshot, sharesOf, type WorkerNow } from "@lockstep/run/live";
import { GrowingFile } from "./growing-file.ts";

const KILLED = "no process writes to its folder any more: it was killed";

/** A run that another process computes, known from its folder. */
export interface FollowedRun {
  live: LiveRun;
  /** Takes in what its files have got since the last look. @throws LockstepError ERR_RUN_FILE or ERR_METRICS */
  poll(): void;
}

/** @throws LockstepError ERR_NO_RUN, ERR_RUN_FILE or ERR_METRICS */
export function followRun(dir: string): FollowedRun {
  const { folder } = openRunFolder(dir);
  const live = new LiveRun();
  const [facts, events, rows] = [folder.config, folder.eventLog, folder.metrics].map((path) => new GrowingFile(path));
  const report = new GrowingFile(folder.report);
  const isHeld = watchRunFolder(folder);

  function poll(): void {
    const isOwned = isHeld(); // before its last words are read
    for (const update of parseEventLog(events!.read().text)) live.apply(update);
    if (facts!.read().isReplaced) {
      const run = parseRunFile(openRunFolder(dir).config, folder.config);
      live.apply({ type: "facts", name: basename(resolve(dir)), run });
    }
    const { text, isReplaced, linesBefore } = rows!.read();
    const news = parseMetrics(text, folder.metrics, linesBefore);
    if (isReplaced) live.apply({ type: "history", rows: news });
    else for (const row of news) live.apply({ type: "row", row });
    const written = report.read().isReplaced || isReplaced ? readReport(folder.report) : undefined;
    if (written !== undefined) live.apply({ type: "report", report: written });
    if (!isOwned && !isOver(live.snapshot())) live.event(KILLED, "stopped");
    if (news.length === 0) return;
    live.apply({ type: "team", workers: teamOf(live.snapshot()) });
    updateProgress(live);
  }

  poll();
  return { live, poll };
}

/** The same of a run that nobody follows. */
export const readRun = (dir: string): LiveRun => followRun(dir).live;

/** Those who are not known to be gone; those who had a part in the last step are in. When the run is over, nobody is. */
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

/** At the speed of the last steps. */
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
