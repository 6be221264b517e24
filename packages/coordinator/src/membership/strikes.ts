/** Contributions that are refused, and what comes of it: the third one of a worker is its last. */
import type { ErrorCode } from "@lockstep/errors";
import type { TellEvent } from "@lockstep/run/live";
import type { Member } from "./members.ts";

/** After so many refused contributions a worker is dropped. */
const MAX_STRIKES = 3;

export interface StrikesOptions {
  log: TellEvent;
  drop: (member: Member, code: ErrorCode, reason: string) => void;
}

export class Strikes {
  readonly #options: StrikesOptions;

  constructor(options: StrikesOptions) {
    this.#options = options;
  }

  /** Numbers that are not finite may be the training's fault: they count when `lied` says so. */
  refuse(member: Member, { code, reason }: { code?: ErrorCode; reason: string }): void {
    const line = `a contribution of ${member.name} was refused: ${reason}`;
    this.#options.log(line, "refused", { worker: member.name });
    if (code !== "ERR_NOT_FINITE") this.#count(member, reason);
  }

  /** Another worker has found the numbers of a slice finite. */
  lied(member: Member): void {
    this.#count(member, "numbers that are not finite, though another worker found them finite");
  }

  #count(member: Member, reason: string): void {
    member.strikes++;
    if (member.strikes < MAX_STRIKES) return;
    const text = `${MAX_STRIKES} of its contributions were refused, the last one for: ${reason}`;
    this.#options.drop(member, "ERR_STRIKES", text);
  }
}
