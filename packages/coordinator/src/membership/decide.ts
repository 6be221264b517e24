/**
 * The coordinator's decisions about its workers, as a pure function of the time, a view of the team, and the limits:
 * which workers to drop because they are silent or stalled, and which worker gets which subtree.
 */
import { MAX_SILENT_HEARTBEATS, type SubtreeId, type WorkerId } from "@lockstep/gradient-sync";

/** One worker, as `decide` sees it. */
export interface WorkerView {
  id: WorkerId;
  /** Time at which bytes last arrived from it. */
  heardMs: number;
  /** Time at which it last finished something, or got work while it had none. */
  progressMs: number;
  /** Whether it owes anything: a subtree, a reply, a chunk of its state. */
  owes: boolean;
  /** Samples that it was assigned and has not finished. */
  openSamples: number;
  /**
   * Expected milliseconds per sample, from the assignment of a subtree to its contribution; undefined before its first.
   */
  msPerSample: number | undefined;
  /** Whether it may be assigned subtrees. */
  isEligible: boolean;
  /** Whether it is loading a snapshot or replaying updates, and so may become eligible soon. */
  isCatchingUp: boolean;
}

/** A subtree of the current step that no worker has completed, as `decide` sees it. */
export interface SubtreeView {
  id: SubtreeId;
  samples: number;
  /** Attempts in flight, in the order in which they were assigned. */
  attempts: { worker: WorkerId; sinceMs: number; expectedMs: number | undefined }[];
  /** Reason why no attempt is in flight; used if none is. */
  pendingReason: string;
  /** Workers that should not get it, because their contributions to it were refused. */
  excludedWorkers: ReadonlySet<WorkerId>;
  /** Workers that must not get it, because their numbers were not finite. */
  nonFiniteWorkers: ReadonlySet<WorkerId>;
}

/** The team as `decide` sees it. */
export interface TeamView {
  workers: readonly WorkerView[];
  /** Subtrees of the current step without a complete contribution. */
  openSubtrees: readonly SubtreeView[];
}

/** Time limits of workers, in milliseconds. */
export interface Limits {
  /** Interval between heartbeats. A worker that is silent for three intervals is dropped. */
  heartbeatMs: number;
  /** A worker that has work and makes no progress for this long is dropped. */
  stallMs: number;
}

/** An action on a worker or a subtree. */
export type Decision =
  | { type: "drop"; worker: WorkerId; code: "ERR_SILENT" | "ERR_STALLED"; reason: string }
  | { type: "assign"; subtree: SubtreeId; worker: WorkerId; reason: string }
  /** No worker is left that could still find this subtree's numbers finite. */
  | { type: "diverged"; subtree: SubtreeId; reason: string };

/** A subtree is late after this many times its expected time, but not before its worker would count as silent. */
const LATE_FACTOR = 4;
/** Attempts at one subtree at a time: the coordinator buffers what all but one of them send, which takes memory. */
const MAX_LIVE_ATTEMPTS = 3;

/** Decides which workers are dropped, and which worker gets each subtree that is open or late. */
export function decide(nowMs: number, { workers, openSubtrees }: TeamView, limits: Limits): Decision[] {
  const drops = workers.flatMap((worker) => dropOf(nowMs, worker, limits));
  const dropped = new Set(drops.map(({ worker }) => worker));
  const staying = workers.filter(({ id }) => !dropped.has(id));
  const able = staying.filter(({ isEligible }) => isEligible);
  /** Workers that may become eligible when they have finished something else. */
  const busy = staying.filter(
    ({ isEligible, isCatchingUp, openSamples }) => !isEligible && (isCatchingUp || openSamples > 0),
  );
  const openSamples = new Map(able.map(({ id, openSamples }) => [id, openSamples]));
  const assignments = openSubtrees.flatMap((subtree): Decision[] => {
    const reason = reasonToAssign(nowMs, subtree, dropped, limits);
    if (reason === undefined) return [];
    const others = able.filter(({ id }) => !subtree.excludedWorkers.has(id));
    const worker = fastestFor(others.length > 0 ? others : able, openSamples, subtree);
    if (worker !== undefined) {
      openSamples.set(worker.id, (openSamples.get(worker.id) ?? 0) + subtree.samples);
      return [{ type: "assign", subtree: subtree.id, worker: worker.id, reason }];
    }
    const isOpen = subtree.attempts.length > 0 || able.length === 0;
    if (isOpen || ![...able, ...busy].every(({ id }) => subtree.nonFiniteWorkers.has(id))) return [];
    return [{ type: "diverged", subtree: subtree.id, reason: "it yields NaN or infinity on every worker" }];
  });
  return [...drops, ...assignments];
}

type DropDecision = Extract<Decision, { type: "drop" }>;

function dropOf(nowMs: number, worker: WorkerView, { heartbeatMs, stallMs }: Limits): DropDecision[] {
  const { id, heardMs, progressMs, owes } = worker;
  const silentMs = nowMs - heardMs;
  if (silentMs > MAX_SILENT_HEARTBEATS * heartbeatMs) {
    const reason = `nothing was received from it for ${seconds(silentMs)}`;
    return [{ type: "drop", worker: id, code: "ERR_SILENT", reason }];
  }
  const stalledMs = nowMs - progressMs;
  if (owes && stalledMs > stallMs) {
    const reason = `still sending heartbeats, but no progress for ${seconds(stalledMs)}`;
    return [{ type: "drop", worker: id, code: "ERR_STALLED", reason }];
  }
  return [];
}

/** Returns the reason why a subtree needs a worker, or another one; undefined if it does not. */
function reasonToAssign(
  nowMs: number,
  { attempts, pendingReason }: SubtreeView,
  dropped: ReadonlySet<WorkerId>,
  { heartbeatMs }: Limits,
): string | undefined {
  const live = attempts.filter(({ worker }) => !dropped.has(worker));
  const last = live.at(-1); // earlier attempts are late already
  if (last === undefined) return attempts.length === 0 ? pendingReason : "its worker was dropped";
  if (last.expectedMs === undefined || live.length >= MAX_LIVE_ATTEMPTS) return undefined;
  const limitMs = Math.max(MAX_SILENT_HEARTBEATS * heartbeatMs, LATE_FACTOR * last.expectedMs);
  const tookMs = nowMs - last.sinceMs;
  if (tookMs <= limitMs) return undefined;
  return `it has taken ${seconds(tookMs)} so far, and was expected to take ${seconds(last.expectedMs)}`;
}

/**
 * Returns the worker that would finish this subtree first. One without a measurement counts as
 * the slowest of the others.
 */
function fastestFor(
  workers: readonly WorkerView[],
  openSamples: ReadonlyMap<WorkerId, number>,
  { samples, attempts, nonFiniteWorkers }: SubtreeView,
): WorkerView | undefined {
  const free = workers.filter(({ id }) => !nonFiniteWorkers.has(id) && attempts.every(({ worker }) => worker !== id));
  const known = free.flatMap(({ msPerSample }) => msPerSample ?? []);
  const slowest = known.length > 0 ? Math.max(...known) : 1;
  const endMs = ({ id, msPerSample }: WorkerView) => ((openSamples.get(id) ?? 0) + samples) * (msPerSample ?? slowest);
  return free.reduce<WorkerView | undefined>(
    (best, worker) => (best === undefined || endMs(worker) < endMs(best) ? worker : best),
    undefined,
  );
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
