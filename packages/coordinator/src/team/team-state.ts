/** The state that the parts of a team share: its members, what each of them owes, and the phase of the run. */
import { Condition } from "../membership/condition.ts";
import type { Member } from "../membership/members.ts";
import { Membership } from "../membership/membership.ts";
import { Requests } from "../membership/requests.ts";
import { StateStreams } from "../state/state-streams.ts";
import { Assignments } from "../step/assignments.ts";
import { Progress } from "../step/progress.ts";
import { CurrentPhase } from "./phase.ts";
import type { TeamOptions } from "./team-options.ts";

/** Membership, phase and progress of a run, and what its members owe. */
export class TeamState {
  readonly options: TeamOptions;
  readonly membership = new Membership();
  /** Is notified of every event, and fails when no worker holds the weights any more. */
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

  /** The number of members, in words for the log. */
  get memberCount(): string {
    const { size } = this.membership;
    return this.phase.isGathering ? `${size} of ${this.options.workers}` : `${size} connected`;
  }

  /** Members that may get work now. */
  get eligible(): Member[] {
    return this.assignments.eligible(this.progress.updatesMade);
  }

  /** Returns the number of samples that a member was assigned, to train on or to evaluate, and has not finished. */
  openSamples(member: Member): number {
    return this.assignments.openSamples(member) + (this.phase.evaluationRound?.openSamples(member.id) ?? 0);
  }

  /** Returns whether a member owes samples, a reply, or chunks that it has to send again. */
  owes(member: Member): boolean {
    if (this.openSamples(member) > 0 || this.requests.isPending(member)) return true;
    return this.phase.stepRound?.mustResend(member.id) === true;
  }

  /**
   * Records that a member has finished something, unless it still owes a slice of an earlier step, which comes first.
   */
  progressed(member: Member): void {
    const isBehind = this.assignments.isBehind(member, this.progress.updatesMade);
    if (!isBehind) member.noteProgress(this.options.nowMs());
  }
}
