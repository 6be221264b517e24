/** Counts each worker's refused contributions; a worker is dropped after the third one. */
import type { ErrorCode } from "@lockstep/errors";
import type { LogEvent } from "@lockstep/run/live";
import type { Drop, Member } from "./members.ts";

/** A worker is dropped after this many refused contributions. */
const MAX_VIOLATIONS = 3;

/** Callbacks of `Violations`. */
export interface ViolationsOptions {
  log: LogEvent;
  drop: Drop;
}

/** Logs violations, and drops workers with too many. */
export class Violations {
  readonly #options: ViolationsOptions;

  constructor(options: ViolationsOptions) {
    this.#options = options;
  }

  /**
   * Logs and counts a refused contribution. One that is not finite is not counted, because the training may have
   * diverged: `refutedNonFinite` counts it if another worker finds the subtree finite.
   */
  refused(member: Member, { code, reason }: { code?: ErrorCode; reason: string }): void {
    const line = `a contribution of ${member.name} was refused: ${reason}`;
    this.#options.log(line, "refused", { worker: member.name });
    if (code !== "ERR_NOT_FINITE") this.#count(member, reason);
  }

  /** Counts a subtree that this worker found not finite and another worker found finite. */
  refutedNonFinite(member: Member): void {
    this.#count(member, "NaN or infinity where another worker computed finite numbers");
  }

  #count(member: Member, reason: string): void {
    member.violations++;
    if (member.violations < MAX_VIOLATIONS) return;
    const text = `${MAX_VIOLATIONS} of its contributions were refused; reason for the last one: ${reason}`;
    this.#options.drop(member, "ERR_STRIKES", text);
  }
}
