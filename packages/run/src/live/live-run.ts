/**
 * The live state of a run: all updates so far, folded into one plain snapshot. The coordinator, the thread that serves
 * the pages, and each page hold one; after the same updates they are equal. It also runs in
 * browsers, so it uses no Node API.
 */

import { at } from "@lockstep/errors";
import type { MetricsRow, StepRow } from "../folder/metrics.ts";
import type { PhaseName } from "./phase.ts";
import {
  emptySnapshot,
  hasLeft,
  isOver,
  type LiveWorker,
  newWorker,
  RUN_OVER,
  type RunSnapshot,
  type RunState,
  sharesOf,
} from "./run-snapshot.ts";
import { addStep } from "./step-history.ts";
import type { EventKind, EventSubject, RunEvent, RunUpdate, WorkerNow } from "./updates.ts";

const RECENT_STEPS = 20;
const MAX_EVENTS = 1000;
/** Number of workers that have left and are still listed. */
const MAX_LEFT_WORKERS = 16;
const STATES: Partial<Record<EventKind, RunState>> = {
  waiting: "waiting",
  begun: "running",
  resumed: "running",
  "goes-on": "running",
  paused: "paused",
  finished: "finished",
  stopped: "stopped",
  failed: "failed",
};

const PHASES: Partial<Record<EventKind, PhaseName>> = {
  waiting: "gathering",
  finished: "over",
  stopped: "over",
  failed: "over",
};

/** Folds the updates of a run into a snapshot, and passes them on. */
export class LiveRun {
  readonly #now: RunSnapshot;
  readonly #listeners = new Set<(update: RunUpdate) => void>();
  readonly #dateMs: () => number;

  /** @param from the snapshot to start with; it is updated in place */
  constructor(from: RunSnapshot = emptySnapshot(), dateMs: () => number = Date.now) {
    this.#now = from;
    this.#dateMs = dateMs;
  }

  /** Returns the current state as plain JSON data. The next update changes it in place: copy what you keep. */
  snapshot(): Readonly<RunSnapshot> {
    return this.#now;
  }

  /** Calls `listener` with each update. @returns a function that unsubscribes it */
  subscribe(listener: (update: RunUpdate) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Folds an update into the snapshot, and passes it to the subscribers. */
  apply(update: RunUpdate): void {
    this.#fold(update);
    for (const listener of this.#listeners) listener(update);
  }

  /** Adds an event that happens now. */
  event(text: string, kind: EventKind, subject: EventSubject = {}): void {
    this.apply({ type: "event", event: { at: new Date(this.#dateMs()).toISOString(), kind, text, ...subject } });
  }

  /** Enters a phase. Ignores the current phase, and any phase of a run that is over. */
  phase(name: PhaseName, reason?: string): void {
    const { phase } = this.#now;
    if (isOver(this.#now) || (phase?.name === name && phase.reason === reason)) return;
    this.apply({ type: "phase", phase: { name, sinceMs: this.#dateMs(), reason } });
  }

  #fold(update: RunUpdate): void {
    const now = this.#now;
    switch (update.type) {
      case "facts":
        now.name = update.name;
        now.run = update.run;
        return;
      case "history":
        this.#reset();
        for (const row of update.rows) this.#row(row);
        now.lastStepAtMs = undefined;
        return;
      case "row":
        this.#row(update.row);
        return;
      case "progress":
        now.progress = update.progress;
        return;
      case "team":
        this.#team(update.workers);
        return;
      case "report":
        now.report = update.report;
        return;
      case "event":
        this.#event(update.event);
        return;
      case "phase":
        now.phase = update.phase;
    }
  }

  #reset(): void {
    const { history, recent, epochs, ledger, stepsDone } = emptySnapshot();
    Object.assign(this.#now, { history, recent, epochs, ledger, stepsDone });
    this.#now.test = this.#now.report = this.#now.progress = undefined;
    for (const worker of this.#now.workers) worker.samples = worker.bytesUp = worker.bytesDown = 0;
  }

  #row(row: MetricsRow): void {
    if (row.type === "epoch") this.#now.epochs.push(row);
    else if (row.type === "test") this.#now.test = row;
    else this.#step(row);
  }

  #step(row: StepRow): void {
    const now = this.#now;
    now.stepsDone = row.step + 1;
    now.lastStepAtMs = this.#dateMs();
    addStep(now.history, row);
    now.recent.push(row);
    if (now.recent.length > RECENT_STEPS) now.recent.shift();
    if (row.epoch !== now.ledger.epoch) now.ledger = { epoch: row.epoch, samples: 0, workers: [] };
    now.ledger.samples += row.samples;
    for (const { name, samples, bytesUp, bytesDown, ms, io } of sharesOf(row)) {
      const entry = now.ledger.workers.find((one) => one.name === name);
      if (entry === undefined) now.ledger.workers.push({ name, samples });
      else entry.samples += samples;
      const worker = this.#worker(name);
      worker.samples += samples;
      worker.bytesUp += bytesUp;
      worker.bytesDown += bytesDown;
      Object.assign(worker, { ms, io, lastSamples: samples });
    }
  }

  #team(workers: readonly WorkerNow[]): void {
    const here = new Set(workers.map(({ name }) => name));
    const reason = isOver(this.#now) ? RUN_OVER : "it is no longer connected";
    for (const worker of [...this.#now.workers]) if (!here.has(worker.name)) this.#markLeft(worker, "left", reason);
    for (const worker of workers) Object.assign(this.#worker(worker.name), worker, { goneBecause: undefined });
  }

  #event(event: RunEvent): void {
    const now = this.#now;
    now.events.push(event);
    if (now.events.length > MAX_EVENTS) now.events.shift();
    now.state = STATES[event.kind] ?? now.state;
    if (event.kind === "waiting") now.workers = []; // earlier workers belonged to a previous coordinator process
    if (event.kind === "slice-redone") now.redoneSlices++;
    if (event.kind === "refused") now.refused++;
    if (event.worker !== undefined) this.#eventOf(this.#worker(event.worker), event);
    this.#phaseAfter(event);
    if (isOver(now)) {
      for (const worker of [...now.workers]) this.#markLeft(worker, "left", RUN_OVER);
    }
  }

  /** Derives the phases "gathering" and "over" from events; all other phases are reported by name. */
  #phaseAfter({ at, kind }: RunEvent): void {
    const { phase } = this.#now;
    const name = PHASES[kind];
    if (name !== undefined && name !== phase?.name) this.#now.phase = { name, sinceMs: Date.parse(at) };
    const hasStarted = kind === "begun" || kind === "resumed";
    if (hasStarted && (phase?.name === "gathering" || phase?.name === "over")) this.#now.phase = undefined;
  }

  #eventOf(worker: LiveWorker, { kind, text, device = worker.device, backend = worker.backend }: RunEvent): void {
    Object.assign(worker, { device, backend });
    switch (kind) {
      case "joined":
        Object.assign(worker, { state: "waiting", goneBecause: undefined });
        return;
      case "lost":
      case "dropped":
        this.#markLeft(worker, "lost", text);
        return;
      case "left":
        this.#markLeft(worker, "left", text);
        return;
      case "slice-redone":
        worker.redoneSlices++;
        return;
      case "refused":
        worker.refused++;
    }
  }

  #markLeft(worker: LiveWorker, state: "left" | "lost", reason: string): void {
    if (hasLeft(worker)) return;
    Object.assign(worker, { state, goneBecause: reason, slices: [] });
    const leftWorkers = this.#now.workers.filter(hasLeft);
    if (leftWorkers.length > MAX_LEFT_WORKERS)
      this.#now.workers.splice(this.#now.workers.indexOf(at(leftWorkers, 0)), 1);
  }

  #worker(name: string): LiveWorker {
    const known = this.#now.workers.find((worker) => worker.name === name);
    if (known !== undefined) return known;
    const made = newWorker(name);
    this.#now.workers.push(made);
    return made;
  }
}
