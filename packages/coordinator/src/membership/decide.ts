/**
 * What the coordinator does about its workers: a pure function of the time, of what it knows, and of the limits. Who
 * is gone, who has come to a halt, and which slice goes to whom.
 */
import { MAX_SILENT_HEARTBEATS, type SliceId, type WorkerId } from "@lockstep/gradient-sync";

/** One worker, as `decide` sees it. */
export interface WorkerView {
  id: WorkerId;
  /** When anything last came from it. */
  heardMs: number;
  /** When it last finished something, or was given something while it owed nothing. */
  progressMs: number;
  /** Whether it owes anything: a slice, an answer, a piece of its state. */
  owes: boolean;
  /** Samples that it was given and has not finished. */
  openSamples: number;
  /** Expected from being given a slice to its contribution, for each sample; undefined before its first. */
  msPerSample: number | undefined;
  /** Whether it may be given slices. */
  isEligible: boolean;
  /** Whether it is getting its weights, or making the updates since: then it may be given slices soon. */
  isCatchingUp: boolean;
}

/** A slice of the step under way that nobody has completed, as `decide` sees it. */
export interface SliceView {
  slice: SliceId;
  samples: number;
  /** The tries under way, in the order in which they were begun. */
  attempts: { worker: WorkerId; sinceMs: number; expectedMs: number | undefined }[];
  /** Why no try is under way, if none is. */
  openBecause: string;
  /** Workers that should not get it: their contributions to it were refused. */
  excludedWorkers: ReadonlySet<WorkerId>;
  /** Those of them that must not: their numbers were not finite. */
  nonFiniteWorkers: ReadonlySet<WorkerId>;
}

/** All that `decide` sees. */
export interface TeamView {
  workers: readonly WorkerView[];
  /** Of the step under way, those without a complete contribution. */
  openSlices: readonly SliceView[];
}

/** How long workers may take. */
export interface Limits {
  /** A worker that is silent for three times this is gone. */
  heartbeatMs: number;
  /** A worker that has work and finishes nothing for so long is dropped. */
  stallMs: number;
}

/** What is to be done about a worker or a slice. */
export type Decision =
  | { type: "drop"; worker: WorkerId; code: "ERR_SILENT" | "ERR_STALLED"; reason: string }
  | { type: "assign"; slice: SliceId; worker: WorkerId; reason: string }
  /** No worker is left that could find this slice finite. */
  | { type: "diverged"; slice: SliceId; reason: string };

/** A slice is late after this many times the time that it was expected to take, but not before a worker is silent. */
const LATE_FACTOR = 4;
/** Tries at a slice at once: what all but one of them send is held back, and takes memory. */
const MAX_ATTEMPTS = 3;

/** Decides who is dropped, and who is given each slice that nobody computes or that is late. */
export function decide(nowMs: number, { workers, openSlices }: TeamView, limits: Limits): Decision[] {
  const drops = workers.flatMap((worker) => dropOf(nowMs, worker, limits));
  const dropped = new Set(drops.map(({ worker }) => worker));
  const staying = workers.filter(({ id }) => !dropped.has(id));
  const able = staying.filter(({ isEligible }) => isEligible);
  /** Those who may take slices when they have ended something else. */
  const busy = staying.filter(
    ({ isEligible, isCatchingUp, openSamples }) => !isEligible && (isCatchingUp || openSamples > 0),
  );
  const openSamples = new Map(able.map(({ id, openSamples }) => [id, openSamples]));
  const assignments = openSlices.flatMap((slice): Decision[] => {
    const reason = reasonToAssign(nowMs, slice, dropped, limits);
    if (reason === undefined) return [];
    const others = able.filter(({ id }) => !slice.excludedWorkers.has(id));
    const worker = fastestFor(others.length > 0 ? others : able, openSamples, slice);
    if (worker !== undefined) {
      openSamples.set(worker.id, (openSamples.get(worker.id) ?? 0) + slice.samples);
      return [{ type: "assign", slice: slice.slice, worker: worker.id, reason }];
    }
    const isOpen = slice.attempts.length > 0 || able.length === 0;
    if (isOpen || ![...able, ...busy].every(({ id }) => slice.nonFiniteWorkers.has(id))) return [];
    return [{ type: "diverged", slice: slice.slice, reason: "no worker found its numbers finite" }];
  });
  return [...drops, ...assignments];
}

type Drop = Extract<Decision, { type: "drop" }>;

function dropOf(nowMs: number, worker: WorkerView, { heartbeatMs, stallMs }: Limits): Drop[] {
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

/** Why a slice needs a worker, or another one; undefined if it doesn't. */
function reasonToAssign(
  nowMs: number,
  { attempts, openBecause }: SliceView,
  dropped: ReadonlySet<WorkerId>,
  { heartbeatMs }: Limits,
): string | undefined {
  const live = attempts.filter(({ worker }) => !dropped.has(worker));
  const last = live.at(-1); // whoever had it before is late already
  if (last === undefined) return attempts.length === 0 ? openBecause : "its worker was dropped";
  if (last.expectedMs === undefined || live.length >= MAX_ATTEMPTS) return undefined;
  const limitMs = Math.max(MAX_SILENT_HEARTBEATS * heartbeatMs, LATE_FACTOR * last.expectedMs);
  const tookMs = nowMs - last.sinceMs;
  if (tookMs <= limitMs) return undefined;
  return `it has taken ${seconds(tookMs)} so far, and was expected to take ${seconds(last.expectedMs)}`;
}

/** Who would end first with this slice. One that was not measured yet counts as the slowest of the others. */
function fastestFor(
  workers: readonly WorkerView[],
  openSamples: ReadonlyMap<WorkerId, number>,
  { samples, attempts, nonFiniteWorkers }: SliceView,
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
