/** Finds out when workers are refused for what the run is, so that no other worker can take part in it either. */
import type { ErrorCode, LockstepError } from "@lockstep/errors";
import type { RefusedWorker } from "../connections/admission-control.ts";

/**
 * Reasons that lie in the options, the model, or the weights of a run, or in how the coordinator hands them out; others
 * lie in a machine, or pass.
 */
const OF_THE_RUN: readonly ErrorCode[] = [
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

/** Counts the workers that were refused for one reason that lies in the run. */
export class CommonRefusals {
  readonly #enough: number;
  readonly #refused = new Map<ErrorCode, RefusedWorker[]>();
  #updates = 0;

  /** @param enough the number of workers whose refusal for one reason shows that all will be: as many as the run waits for */
  constructor(enough: number) {
    this.#enough = enough;
  }

  /**
   * Notes that a worker was refused, or gave up. One that was started again counts once: its own machine may be what is
   * wrong, and another one may have the right copy of the model.
   *
   * @param updates that the run has made; refusals from before the latest update are forgotten
   * @returns whether every other worker will meet the same reason
   */
  note(worker: RefusedWorker, { code }: LockstepError, updates: number): boolean {
    if (updates > this.#updates) this.#refused.clear();
    this.#updates = updates;
    if (!OF_THE_RUN.includes(code)) return false;
    const refused = this.#refused.get(code) ?? [];
    this.#refused.set(code, refused);
    const again = refused.findIndex((one) => isStartedAgain(one, worker));
    if (again >= 0) refused[again] = worker;
    else if (refused.length < this.#enough) refused.push(worker);
    return refused.length >= this.#enough;
  }
}

/** Whether the second may be the first one that was started again. */
function isStartedAgain(first: RefusedWorker, second: RefusedWorker): boolean {
  if (first.address !== second.address) return false;
  if (first.name === second.name) return true;
  // A worker that was given no name ends its name with the number of its process.
  const isLike = first.name.replace(/-\d+$/, "") === second.name.replace(/-\d+$/, "");
  return isLike && second.connectedMs >= first.heardMs;
}
