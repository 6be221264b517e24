/** What workers were given to do and have not done: slices, ranges of an evaluation, answers, pieces of a state. */
import { doneAttempt, type Outgoing, type StepRound, samplesOf, type WorkerMessage } from "@lockstep/gradient-sync";
import type { TeamView, WorkerView } from "../membership/decide.ts";
import type { Member } from "../membership/members.ts";
import type { Membership } from "../membership/membership.ts";
import { StateStreams } from "../state/state-streams.ts";
import { Evaluations } from "../step/evaluations.ts";
import { type AttemptKey, GivenSlices } from "../step/given-slices.ts";
import type { Condition } from "./condition.ts";
import { Requests } from "./requests.ts";

type Contribution = Extract<WorkerMessage, { type: "contribution" }>;

export class Duties {
  readonly evaluations: Evaluations;
  readonly requests: Requests;
  readonly streams: StateStreams;
  readonly #slices = new GivenSlices();
  readonly #membership: Membership;
  readonly #nowMs: () => number;

  constructor(membership: Membership, condition: Condition, nowMs: () => number) {
    this.evaluations = new Evaluations(condition);
    this.requests = new Requests(condition, nowMs);
    this.streams = new StateStreams(nowMs);
    this.#membership = membership;
    this.#nowMs = nowMs;
  }

  /** Who may be given slices: one that leaves, or still computes slices of an earlier step, only if there is no other. */
  able(step: number): Member[] {
    const here = this.#membership.in("in");
    const prompt = here.filter(({ id }) => !this.#slices.isBehind(id, step));
    return [prompt, here].find(({ length }) => length > 0) ?? this.#membership.in("leaving");
  }

  /** Gives a worker slices of a step. @returns what it is to be told */
  give(member: Member, slices: number[], round: StepRound): Outgoing {
    const { step } = round.task;
    const sinceMs = this.#nowMs();
    const outgoing = round.assign(member.id, slices);
    let queuedSamples = this.openSamples(member);
    for (const index of slices) {
      const slice = round.slices[index]!;
      const samples = samplesOf(slice);
      queuedSamples += samples;
      const given = { worker: member.id, step, samples, queuedSamples, sinceMs };
      this.#slices.add({ step, slice: index, attempt: slice.attemptsMade - 1 }, given);
    }
    return outgoing;
  }

  /** A worker has computed a slice that it was given, or one that no longer counts. */
  contributed(member: Member, { ms, ...attempt }: Contribution): void {
    const given = this.#slices.get(member.id, attempt);
    if (given === undefined) return;
    const now = this.#nowMs();
    member.progressMs = now;
    this.#slices.delete(member.id, attempt);
    const computeMs = (ms["data"] ?? 0) + (ms["forward"] ?? 0) + (ms["backward"] ?? 0);
    member.measure(given.samples, { tookMs: now - Math.max(given.sinceMs, member.contributedMs), computeMs });
    member.contributedMs = now;
  }

  /** What came of a slice was refused. */
  rejected(worker: number, attempt: AttemptKey): void {
    this.#slices.delete(worker, attempt);
  }

  /** A worker has done something that it was to do. While it owes a slice of an earlier step that comes first. */
  progressed(member: Member, step: number): void {
    if (!this.#slices.isBehind(member.id, step)) member.progressMs = this.#nowMs();
  }

  /** Samples that a worker was given, to train with or to evaluate, and has not finished. */
  openSamples({ id }: Member): number {
    return this.#slices.samplesOf(id) + this.evaluations.openSamples(id);
  }

  /** A worker is gone: it does nothing any more. */
  lose(member: Member): void {
    this.evaluations.lose(member.id);
    this.#slices.lose(member.id);
    this.streams.lose(member);
  }

  /** Nobody waits for what was to be computed. */
  reset(): void {
    this.evaluations.drop();
    this.#slices.clear();
  }

  /** What there is to decide about. Whoever owes nothing has made progress. */
  view(step: number, round: StepRound | undefined): TeamView {
    const members = this.#membership.all;
    const able = new Set(this.able(step));
    const slowest = Math.max(0, ...members.map(({ msPerSample }) => msPerSample ?? 0));
    const openSlices = (round?.slices ?? []).filter((slice) => doneAttempt(slice) === undefined);
    return {
      workers: members.map((member) => this.#viewOf(member, able.has(member), round)),
      openSlices: openSlices.map((slice) => ({
        slice: slice.slice,
        samples: samplesOf(slice),
        attempts: [...slice.attempts.values()].map(({ attempt, worker }) => {
          const { sinceMs, queuedSamples } = this.#slices.get(worker, { step, slice: slice.slice, attempt })!;
          const msPerSample = this.#membership.get(worker)?.msPerSample ?? slowest;
          return { worker, sinceMs, expectedMs: msPerSample === 0 ? undefined : msPerSample * queuedSamples };
        }),
        openBecause: slice.openBecause,
        notFor: slice.notFor,
        notFinite: slice.notFinite,
      })),
    };
  }

  #viewOf(member: Member, takesSlices: boolean, round: StepRound | undefined): WorkerView {
    const { id, session, msPerSample } = member;
    const openSamples = this.openSamples(member);
    const inOrder = openSamples > 0 || this.requests.isPending(member) || round?.owes(id) === true;
    if (!inOrder) member.progressMs = this.#nowMs();
    const streamSinceMs = this.streams.waitingSinceMs(member);
    return {
      ...{ id, heardMs: session.heardMs, openSamples, msPerSample, takesSlices },
      catchesUp: member.state === "loading" || member.state === "replaying",
      progressMs: Math.min(member.progressMs, streamSinceMs ?? member.progressMs),
      owes: inOrder || streamSinceMs !== undefined,
    };
  }
}
