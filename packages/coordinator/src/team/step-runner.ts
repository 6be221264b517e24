/** Runs steps: plans a step's subtrees, assigns them to members, forwards what they send, and commits the step. */
import { at } from "@lockstep/errors";
import {
  encode,
  type MessageOf,
  type Outgoing,
  packingPays,
  StepRound,
  type SubtreeId,
  updateBytes,
} from "@lockstep/gradient-sync";
import { planSubtrees, type StepTask, type StepTotals } from "@lockstep/run";
import { weightsOf } from "../membership/balance.ts";
import type { Drop, Member } from "../membership/members.ts";
import type { Violations } from "../membership/violations.ts";
import { countTraffic, stepStats, type Traffic } from "../step/step-stats.ts";
import type { ActiveRun } from "./active-run.ts";
import type { TeamState } from "./team-state.ts";

type Rejected = MessageOf<"rejected">;

const MAX_WAITING_BYTES = 256 * 2 ** 20;

/** The violations of members, and callbacks that a step may lead to. */
export interface StepRunnerOptions {
  violations: Violations;
  drop: Drop;
  /** Decides again which members are dropped and who computes what. */
  decide: () => void;
}

interface StepPlan {
  round: StepRound;
  /** The subtrees that each eligible member is assigned first. */
  subtreesOf: ReadonlyMap<Member, SubtreeId[]>;
}

/** Plans, starts and commits steps. */
export class StepRunner {
  readonly #state: TeamState;
  readonly #options: StepRunnerOptions;
  /** Upper bound on the bytes of one step's update. */
  #updateBytes = 0;
  /** Traffic of all steps and workers so far. */
  readonly traffic: Traffic = { workerSteps: 0, bytesUp: 0, bytesDown: 0 };

  constructor(state: TeamState, options: StepRunnerOptions) {
    this.#state = state;
    this.#options = options;
  }

  /**
   * Runs one step on the members that are eligible; calls `beforeCommit` when the sums are complete.
   *
   * @throws LockstepError ERR_ALL_LOST when no worker holds the weights any more
   */
  async run(task: StepTask, run: ActiveRun, beforeCommit: (totals: StepTotals) => void): Promise<void> {
    const { condition, phase } = this.#state;
    const plan = this.#plan(task, run);
    const { round } = plan;
    phase.enter({ name: "stepping", run, round });
    this.#updateBytes = updateBytes(run.layout, task.end - task.start);
    try {
      this.#begin(plan, run);
      // An event in the same turn of the event loop may have withdrawn a contribution again.
      while (!round.complete) await condition.wait(() => round.complete);
      this.#commit(round, beforeCommit);
    } finally {
      phase.rest();
    }
  }

  /** Handles a chunk. @throws LockstepError ERR_ATTEMPT or ERR_CHUNK if the member may not send it */
  onChunk(member: Member, chunk: MessageOf<"gradient-chunk">): void {
    const round = this.#state.phase.stepRound;
    if (round === undefined) return; // the chunk belongs to a step that is over
    const before = round.acceptedChunks;
    this.#dispatch(round.onChunk(member.id, chunk));
    if (round.acceptedChunks !== before) this.#state.progressed(member);
  }

  /** Handles a contribution. @throws LockstepError ERR_ATTEMPT if the member may not send it */
  onContribution(member: Member, contribution: MessageOf<"contribution">): void {
    const { assignments, membership, phase } = this.#state;
    assignments.contributed(member, contribution);
    const round = phase.stepRound;
    if (round === undefined) return;
    this.#dispatch(round.onContribution(member.id, contribution));
    for (const id of round.drainNonFiniteWorkers(contribution.subtree)) {
      const other = membership.get(id);
      if (other !== undefined) this.#options.violations.refutedNonFinite(other);
    }
  }

  /** Withdraws what a member that has departed has not completed. */
  withdraw(member: Member): void {
    this.#dispatch(this.#state.phase.stepRound?.removeWorker(member.id) ?? []);
  }

  /** Assigns a subtree of the current step to another member. */
  reassign(subtree: SubtreeId, member: Member, reason: string): void {
    const round = this.#state.phase.stepRound;
    if (round === undefined) return;
    const { start, end } = at(round.subtrees, subtree);
    const line = `samples ${start} to ${end - 1} of step ${round.task.step} go to ${member.name}: ${reason}`;
    this.#state.options.log(line, "slice-redone", { worker: member.name });
    this.#dispatch([this.#assign(member, [subtree], round)]);
  }

  /** Ends the current step, because all members have found one of its subtrees not finite. */
  diverged(): void {
    this.#state.phase.stepRound?.markDiverged();
  }

  /** Splits the batch into subtrees for the members that are eligible. */
  #plan(task: StepTask, { layout, sliceRows, buffers }: ActiveRun): StepPlan {
    const { eligible, membership, options } = this.#state;
    const speeds = eligible.map(({ speed }) => speed);
    const weights = speeds.length > 0 ? weightsOf(speeds, options.balance) : 1;
    const subtrees = planSubtrees(task.start, task.end, weights, sliceRows);
    const links = membership.all.map(({ session }) => session.ready.linkBytesPerSecond);
    const packing = links.some(packingPays);
    const round = new StepRound(task, subtrees, layout, { packing, pool: buffers });
    const ownOf = (worker: number) => round.subtrees.filter((_, index) => subtrees[index]?.worker === worker);
    const ids = eligible.map((member, worker) => [member, ownOf(worker).map(({ id }) => id)] as const);
    return { round, subtreesOf: new Map(ids) };
  }

  /** Announces the step to all subscribers, including those without a subtree. */
  #begin({ round, subtreesOf }: StepPlan, { lateJoin }: ActiveRun): void {
    const { subscribers } = this.#state.membership;
    const assignments = subscribers.map((member) => this.#assign(member, subtreesOf.get(member) ?? [], round));
    lateJoin.record(encode(round.announcement));
    this.#dispatch(assignments);
    this.#options.decide();
  }

  #assign(member: Member, subtrees: SubtreeId[], round: StepRound): Outgoing {
    const { assignments, options } = this.#state;
    if (!this.#state.owes(member)) member.noteProgress(options.nowMs());
    return assignments.assign(member, subtrees, round);
  }

  /** Commits a step whose sums are complete: calls `beforeCommit`, then lets all subscribers apply the update. */
  #commit(round: StepRound, beforeCommit: (totals: StepTotals) => void): void {
    const { membership, options, progress } = this.#state;
    const now = options.nowMs();
    const sinceMs = progress.stepSinceMs;
    const stepMs = now - sinceMs;
    const { subscribers } = membership;
    const workers = stepStats(subscribers, round, { sinceMs, stepMs });
    countTraffic(subscribers, this.traffic);
    beforeCommit({ ...round.totals(), ms: { step: stepMs }, slices: round.sliceCount, workers });
    progress.commit(round.task.step, now);
    this.#dispatch([round.commit()]);
  }

  /** Sends a round's messages, and only then handles their consequences, so that all members see one order. */
  #dispatch(outgoing: readonly Outgoing[]): void {
    const { membership, phase } = this.#state;
    for (const each of outgoing) {
      const bytes = membership.send(each);
      if (each.to === "all") phase.run?.lateJoin.record(bytes);
    }
    for (const { to, message } of outgoing) {
      if (message.type === "withdrawn" && message.again.length > 0) this.#noteResendRequests();
      if (message.type === "rejected" && to !== "all") this.#rejected(to, message);
    }
    for (const member of membership.all) this.#dropSlowReader(member);
  }

  /** Restarts the time limit of members that owed nothing and now have to send chunks again. */
  #noteResendRequests(): void {
    const { membership, options, phase, requests } = this.#state;
    for (const member of membership.all) {
      const owesMore = this.#state.openSamples(member) > 0 || requests.isPending(member);
      if (!owesMore && phase.stepRound?.mustResend(member.id)) member.noteProgress(options.nowMs());
    }
  }

  #rejected(worker: Member["id"], message: Rejected): void {
    const { assignments, membership } = this.#state;
    const member = membership.get(worker);
    assignments.rejected(worker, message);
    if (member !== undefined) this.#options.violations.refused(member, message);
    this.#options.decide();
  }

  /** Drops a member whose unread messages exceed the memory limit. */
  #dropSlowReader(member: Member): void {
    const { maxWaitingBytes = MAX_WAITING_BYTES } = this.#state.options;
    const { waitingBytes } = member.session;
    if (waitingBytes <= maxWaitingBytes + this.#updateBytes) return;
    const reason = `it has not read ${Math.round(waitingBytes / 1e6)} MB that are queued for it`;
    this.#options.drop(member, "ERR_SLOW_READER", reason);
  }
}
