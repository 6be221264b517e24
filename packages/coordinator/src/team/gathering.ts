/** Waits for the workers with which a run starts, or with which it continues after it has lost all of them. */
import type { RemoteTeam } from "./remote-team.ts";

/**
 * Time to wait, after the last worker joined, for further workers that still hold the weights. It covers the backoff of
 * workers that reconnect.
 */
const RETURN_MS = 3000;

/** The workers that a run waits for before it begins or resumes. */
export interface Gathering {
  /** Number of workers to wait for. */
  workers: number;
  /** Number of workers that suffice if some may hold the weights and no more workers join. */
  minWorkers: number;
  signal: AbortSignal;
  /** Time at which the last worker was lost, if the run has begun already. */
  lostAtMs?: number;
  /** The team's clock. @default performance.now */
  nowMs?: () => number;
}

/** Resolves when enough workers have joined, or `signal` aborts. */
export async function gathered(
  team: RemoteTeam,
  { workers, minWorkers, signal, lostAtMs, nowMs = () => performance.now() }: Gathering,
): Promise<void> {
  const areEnough = () => {
    if (team.size >= workers || signal.aborted) return true;
    if (lostAtMs === undefined && team.resumableStep === undefined) return false;
    const lastMs = Math.max(lostAtMs ?? 0, ...team.members.map(({ joinedMs }) => joinedMs));
    return team.size >= minWorkers && nowMs() - lastMs > RETURN_MS;
  };
  // A worker may leave in the same turn of the event loop in which it joined.
  do await team.until(areEnough);
  while (!areEnough());
}
