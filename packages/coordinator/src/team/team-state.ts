/** The state that the parts of a team share: who is here, what each owes, and which phase the run is in. */

import { Condition } from "../membership/condition.ts";
import type { Member } from "../membership/members.ts";
import { Membership } from "../membership/membership.ts";
import { Requests } from "../membership/requests.ts";
import { StateStreams } from "../state/state-streams.ts";
import { Assignments } from "../step/assignments.ts";
import { Progress } from "../step/progress.ts";
import { CurrentPhase } from "./phase.ts";
import type { TeamOptions } from "./team-options.ts";

/** Membership, phase and progress of a run, and what its members owe it. */
export class TeamState {
  readonly options: TeamOptions;
  readonly membership = new Membership();
  /** Waited on for anything that happens; fails when nobody is left who holds the weights. */
  readonly condition = new Condition();
  readonly phase: CurrentPhase;
  readonly progress: Progress;
  readonly assignments: Assignments;
  readonly requests: Requests;
  readonly streams: StateStreams;

  constructor(options: TeamOptions) {
    const { nowMs, onPhase = () => {} } = options;
    this.options = options;
    this.phase = new CurrentPhase(onPhase);
    this.progress = new Progress(nowMs);
    this.assignments = new Assignments(this.membership, nowMs);
    this.requests = new Requests(this.condition, nowMs);
    this.streams = new StateStreams(nowMs);
  }

  /** How many members are here, for people. */
  get memberCount(): string {
    const { size } = this.membership;
    return this.phase.isGathering ? `${size} of ${this.options.workers}` : `${size} here`;
  }

  /** Members that may be given work now. */
  get eligible(): Member[] {
    return this.assignments.eligible(this.progress.updatesMade);
  }

  /** Samples that a member was given, to train with or to evaluate, and has not finished. */
  openSamples(member: Member): number {
    return this.assignments.openSamples(member) + (this.phase.evaluationRound?.openSamples(member.id) ?? 0);
  }

  /** Whether a member owes something that it does in order: samples, a reply, or pieces that it is to send again. */
  owes(member: Member): boolean {
    if (this.openSamples(member) > 0 || this.requests.isPending(member)) return true;
    return this.phase.stepRound?.mustResend(member.id) === true;
  }

  /** Notes that a member has finished something. While it owes a slice of an earlier step that comes first. */
  progressed(member: Member): void {
    const isBehind = this.assignments.isBehind(member, this.progress.updatesMade);
    if (!isBehind) member.noteProgress(this.options.nowMs());
  }
}
