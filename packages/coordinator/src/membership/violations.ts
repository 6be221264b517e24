/** Counts the contributions of each worker that were refused; the third one is its last. */
import type { ErrorCode } from "@lockstep/errors";
import type { LogEvent } from "@lockstep/run/live";
import type { Member } from "./members.ts";

/** A worker is dropped after this many refused contributions. */
const MAX_VIOLATIONS = 3;

/** Where violations are logged, and how a worker is dropped for them. */
export interface ViolationsOptions {
  log: LogEvent;
  drop: (member: Member, code: ErrorCode, reason: string) => void;
}

/** Logs violations, and drops workers that have committed too many. */
export class Violations {
  readonly #options: ViolationsOptions;

  constructor(options: ViolationsOptions) {
    this.#options = options;
  }

  /** Notes a refused contribution. Numbers that are not finite may be the training's fault: `falseNotFinite` counts them. */
  refused(member: Member, { code, reason }: { code?: ErrorCode; reason: string }): void {
    const line = `a contribution of ${member.name} was refused: ${reason}`;
    this.#options.log(line, "refused", { worker: member.name });
    if (code !== "ERR_NOT_FINITE") this.#count(member, reason);
  }

  /** Notes that another worker has found the numbers of this one's slice finite. */
  falseNotFinite(member: Member): void {
    this.#count(member, "numbers that are not finite, though another worker found them finite");
  }

  #count(member: Member, reason: string): void {
    member.violations++;
    if (member.violations < MAX_VIOLATIONS) return;
    const text = `${MAX_VIOLATIONS} of its contributions were refused, the last one for: ${reason}`;
    this.#options.drop(member, "ERR_STRIKES", text);
  }
}
