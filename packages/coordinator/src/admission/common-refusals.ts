/** Detects refusals whose reason lies in the run itself, so that no other worker could join it either. */
import type { ErrorCode, LockstepError } from "@lockstep/errors";
import type { RefusedWorker } from "../connections/admission-control.ts";

/**
 * Reasons that lie in a run's options, model or weights, or in how the coordinator sends them. Other reasons lie in one
 * machine, or are temporary.
 */
const RUN_FAULT_CODES: readonly ErrorCode[] = [
  "ERR_CHUNK",
  "ERR_MODEL",
  "ERR_MODEL_CHANGED",
  "ERR_MODEL_DATA",
  "ERR_MODEL_REFUSED",
  "ERR_MODEL_SPEC",
  "ERR_NORMALIZE",
  "ERR_PLAN",
  "ERR_STATE_DICT",
  "ERR_TRAIN_FRACTION",
];

/** Counts the workers that were refused for each reason that lies in the run. */
export class CommonRefusals {
  readonly #enough: number;
  readonly #refused = new Map<ErrorCode, RefusedWorker[]>();
  #updates = 0;

  /**
   * @param enough number of workers refused for one reason that shows that all will be: as many as the run waits for
   */
  constructor(enough: number) {
    this.#enough = enough;
  }

  /**
   * Counts a worker that was refused or gave up. A restarted worker counts once: the fault may lie in its own machine,
   * and another machine may have the right copy of the model.
   *
   * @param updates number of updates that the run has made; refusals from before the latest update no longer count
   * @returns whether every other worker would be refused for the same reason
   */
  note(worker: RefusedWorker, { code }: LockstepError, updates: number): boolean {
    if (updates > this.#updates) this.#refused.clear();
    this.#updates = updates;
    if (!RUN_FAULT_CODES.includes(code)) return false;
    const refused = this.#refused.get(code) ?? [];
    this.#refused.set(code, refused);
    const again = refused.findIndex((one) => isRestarted(one, worker));
    if (again >= 0) refused[again] = worker;
    else if (refused.length < this.#enough) refused.push(worker);
    return refused.length >= this.#enough;
  }
}

/** Returns whether the second worker may be the first one, restarted. */
function isRestarted(first: RefusedWorker, second: RefusedWorker): boolean {
  if (first.address !== second.address) return false;
  if (first.name === second.name) return true;
  // The default name of a worker ends with its process id.
  const isLike = first.name.replace(/-\d+$/, "") === second.name.replace(/-\d+$/, "");
  return isLike && second.connectedMs >= first.heardMs;
}
