/**
 * A team of workers behind sockets, who may come and go. It is a thin shell around what decides: `decide` says who is
 * gone and who computes what, `StepRound` what goes out when a piece comes in. Time comes from outside, with `tick`.
 */
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import {
  encode,
  type Layout,
  makeLayout,
  type Plan,
  packingPays,
  updateBytes,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import {
  type Evaluation,
  type ParameterState,
  planSlices,
  type StepTask,
  type StepTotals,
  type Task,
  type Team,
} from "@lockstep/run";
import type { TellEvent, WorkerNow } from "@lockstep/run/live";
import { type Balance, weightsOf } from "./balance.ts";
import { type Decision, decide, type Limits, type WorkerView } from "./decide.ts";
import { EvaluationRound } from "./evaluation-round.ts";
import { GivenSlices } from "./given-slices.ts";
import { Member } from "./members.ts";
import { Newcomers } from "./newcomers.ts";
import { type Answer, Questions } from "./questions.ts";
import { Replicas } from "./replicas.ts";
import type { Session } from "./sessions.ts";
import { SpareArrays } from "./spare-arrays.ts";
import { StateStreams } from "./state-streams.ts";
import { doneAttempt, type Outgoing, StepRound, samplesOf } from "./step-round.ts";
import { Waiters } from "./waiters.ts";
import { sharesOf } from "./worker-shares.ts";

export interface TeamOptions extends Limits {
  /** How many the run waits for before it begins. */
  workers: number;
  balance: Balance;
  /** Names the run, through restarts. */
  runId: string;
  /** Bytes of updates that are kept for a worker that joins. */
  maxLogBytes: number;
  /** With fewer workers than this the run pauses. */
  minWorkers: number;
  /** A worker that lets more than this, and the update of a step, wait for it is dropped. @default 256 MiB */
  maxWaitingBytes?: number;
  /** Told in whole lines what happens to workers. */
  log: TellEvent;
  nowMs: () => number;
}

/** Where the weights of a run come from when it begins, or goes on. */
export type Origin =
  | { from: "seed" }
  | { from: "state"; tensors: readonly ParameterState[]; step: number }
  /** From the workers that still hold the weights after so many updates. */
  | { from: "held"; step: number };

export interface Beginning {
  plan: Plan;
  origin: Origin;
  sliceRows?: number | undefined;
}

/** After so many refused contributions a worker is dropped. */
const MAX_STRIKES = 3;
const MAX_WAITING_BYTES = 256 * 2 ** 20;

type Message<Type extends WorkerMessage["type"]> = Extract<WorkerMessage, { type: Type }>;

/** What is settled when a run begins. */
interface Begun {
  /** Whether all who begin were sent the weights. */
  sent: boolean;
  layout: Layout;
  sliceRows: number | undefined;
  numClasses: number;
  newcomers: Newcomers;
  replicas: Replicas;
}

export class RemoteTeam implements Team {
  readonly #options: TeamOptions;
  readonly #members = new Map<number, Member>();
  readonly #waiters = new Waiters();
  readonly #questions: Questions;
  readonly #streams: StateStreams;
  #begun: Begun | undefined;
  #round: StepRound | undefined;
  #evaluation: { task: Extract<Task, { type: "evaluate" }>; round: EvaluationRound } | undefined;
  readonly #given = new GivenSlices();
  readonly #spare = new SpareArrays();
  #ranges = 0;
  /** Of a step, as each worker is told of it: at most. */
  #updateBytes = 0;
  /** Updates that everyone was told of; and how many there were before some were undone, at the most. */
  #committed = 0;
  #mostCommitted = 0;
  #lastCommitMs: number;
  #pausedFor: string | undefined;
  #deciding: { again: boolean } | undefined;
  /** Of all steps and workers so far. */
  readonly travelled = { workerSteps: 0, bytesUp: 0, bytesDown: 0 };

  constructor(options: TeamOptions) {
    this.#options = options;
    this.#questions = new Questions(this.#waiters, options.nowMs);
    this.#streams = new StateStreams(options.nowMs);
    this.#lastCommitMs = options.nowMs();
  }

  // Who is here

  /** Takes in a worker that has built the model. If the run is under way, it catches up and takes part. */
  join(session: Session): void {
    const { name } = session.hello;
    const taken = new Set(this.members.map((member) => member.name));
    const own = taken.has(name) ? `${name}-${session.workerId}` : name;
    if (taken.has(own))
      throw new LockstepError("ERR_NAME", `A worker named ${own} is here already; choose another --name.`);
    const member = new Member(session, own, this.#options.nowMs());
    this.#members.set(member.id, member);
    const { device, backend } = session.hello;
    const line = `${member.name} joined: ${device}, ${backend} (${this.#howMany()})`;
    this.#options.log(line, "joined", { worker: member.name, device, backend });
    this.#after();
  }

  /** A worker's connection has ended. */
  lose(session: Session, reason: string): void {
    const member = this.#members.get(session.workerId);
    if (member !== undefined) this.#remove(member.id, "lost", `${member.name} was lost: ${reason}`);
  }

  /** Looks at the time: who is silent, late or stalled. To be called several times in a heartbeat. */
  tick(): void {
    this.#bringIn();
    this.#decide();
    this.#after();
  }

  #howMany(): string {
    return this.begun ? `${this.size} here` : `${this.size} of ${this.#options.workers}`;
  }

  get begun(): boolean {
    return this.#begun !== undefined;
  }

  /** Workers that have built the model. */
  get size(): number {
    return this.#members.size;
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** What there is to show of each worker. */
  get workersNow(): WorkerNow[] {
    const nowMs = this.#options.nowMs();
    return this.members.map(({ id, name, session, state }) => {
      const { device, backend } = session.hello;
      const slices = this.#round?.openSlicesOf(id) ?? [];
      return { name, device, backend, state, slices, heartbeatAgeMs: nowMs - session.heardMs };
    });
  }

  /** Updates that everyone was told of. */
  get updatesMade(): number {
    return this.#committed;
  }

  /** The most that there ever were: a run that goes on from its checkpoint has undone those after it. */
  get mostUpdatesMade(): number {
    return this.#mostCommitted;
  }

  /** Resolves when `holds` says so, after whatever happens. Rejects when nobody is left who holds the weights. */
  until(holds: () => boolean): Promise<void> {
    return this.#waiters.until(holds);
  }

  /** The most updates that workers here still hold the weights of, if any hold those of this run. */
  get heldStep(): number | undefined {
    const steps = this.members.flatMap(({ session: { hello } }) =>
      hello.holds?.run === this.#options.runId ? [hello.holds.step] : [],
    );
    return steps.length === 0 ? undefined : Math.max(...steps);
  }

  /** Whether all who hold the weights want to leave: the last of them waits until they are saved, and `reset` is called. */
  get lastLeaves(): boolean {
    const holders = this.members.filter(({ state }) => state !== "waiting");
    return holders.length > 0 && holders.every(({ state }) => state === "leaving");
  }

  /** Nobody is left who holds the weights: those who are here, and those who come, may begin again. */
  reset(): void {
    this.#begun = this.#round = this.#evaluation = undefined;
    this.#given.clear();
    this.#waiters.fail(undefined);
    for (const member of this.members) {
      if (member.state === "leaving") this.#release(member);
      else if (member.state !== "waiting")
        this.#drop(member, "ERR_STATE_LOST", "the weights that it was to get are lost");
    }
  }

  /** Drops a worker for good, whatever it does. @returns whether it was here */
  dismiss(name: string): boolean {
    const member = this.members.find((one) => one.name === name);
    if (member !== undefined) this.#drop(member, "ERR_DISMISSED", "someone wanted it to go");
    return member !== undefined;
  }

  // The run

  /** All who are here begin; those who come later catch up. */
  async begin({ plan, origin, sliceRows }: Beginning): Promise<void> {
    const { tensors, stateDict, numClasses } = this.members[0]!.session.ready;
    const { maxLogBytes, log } = this.#options;
    const [streams, questions] = [this.#streams, this.#questions];
    const drop = this.#drop.bind(this);
    const newcomers = new Newcomers({ streams, questions, plan, stateDict, maxLogBytes, drop, log });
    const replicas = new Replicas({
      ...{ streams, questions, stateDict, log },
      holders: () => this.#holders(),
      updates: () => this.#committed,
    });
    const begun = { sent: false, layout: makeLayout(tensors, plan), sliceRows, numClasses, newcomers, replicas };
    this.#begun = begun;
    this.#committed = origin.from === "seed" ? 0 : origin.step;
    const holders = this.members.filter(({ session: { hello } }) => {
      if (origin.from !== "held") return true;
      return hello.holds?.run === this.#options.runId && hello.holds.step === origin.step;
    });
    for (const member of holders) {
      member.state = "in";
      member.send({ type: "start", ...plan, state: origin.from === "state" ? "follows" : origin.from });
    }
    if (origin.from === "state") await begun.replicas.install(origin.tensors, holders);
    begun.sent = true;
    this.#lastCommitMs = this.#options.nowMs();
    this.#bringIn();
  }

  /** Fewer workers than there must be are a pause, which is said. */
  async assemble(stopRequested: () => boolean): Promise<void> {
    const { minWorkers, nowMs } = this.#options;
    let paused = false;
    await this.until(() => {
      const here = this.members.filter(({ state }) => state !== "leaving").length;
      this.#pause(here >= minWorkers ? undefined : `${here} of at least ${minWorkers} workers are here`);
      const enough = this.members.filter(({ state }) => state === "in").length >= minWorkers;
      paused ||= !enough;
      return enough || stopRequested();
    });
    if (paused) this.#lastCommitMs = nowMs();
  }

  skipTime(): void {
    this.#lastCommitMs = this.#options.nowMs();
  }

  async step(task: StepTask, beforeCommit: (totals: StepTotals) => void): Promise<void> {
    this.#committed = task.step;
    this.#bringIn();
    const round = this.#beginRound(task);
    // What came in the same turn of the event loop may have taken back what made it complete.
    while (!round.complete) await this.until(() => round.complete);
    const now = this.#options.nowMs();
    const stepMs = now - this.#lastCommitMs;
    const followers = this.members.filter(({ follows }) => follows);
    const workers = sharesOf(followers, round, { sinceMs: this.#lastCommitMs, stepMs });
    this.#countTravelled(followers);
    beforeCommit({ ...round.totals(), ms: { step: stepMs }, slices: round.slices.length, workers });
    this.#lastCommitMs = now;
    this.#committed = task.step + 1;
    this.#mostCommitted = Math.max(this.#mostCommitted, this.#committed);
    this.#dispatch([round.commit()]);
    this.#round = undefined;
    this.#bringIn();
  }

  async evaluate(
    task: Extract<Task, { type: "evaluate" }>,
    stopRequested: () => boolean = () => false,
  ): Promise<Evaluation | undefined> {
    const round = new EvaluationRound(task.samples, this.#begun!.numClasses, this.#ranges);
    this.#ranges += round.ranges;
    this.#evaluation = { task, round };
    await this.until(() => {
      if (!stopRequested()) this.#giveRanges();
      return round.done || stopRequested();
    });
    this.#evaluation = undefined;
    this.#lastCommitMs = this.#options.nowMs();
    return round.done ? round.total() : undefined;
  }

  /** @throws LockstepError ERR_STATE_LOST if the worker that had it is lost, and the others have gone on */
  state(): Promise<ParameterState[]> {
    return this.#begun!.replicas.read();
  }

  /** @throws LockstepError ERR_REPLICA that names the worker whose replica is not what it must be */
  async checkReplicas(): Promise<void> {
    await this.#begun!.replicas.compare(this.members.filter(({ state }) => state === "in"));
    this.#lastCommitMs = this.#options.nowMs();
  }

  /** Says goodbye to all. */
  finish(): void {
    for (const member of this.members) member.send({ type: "finished" });
    this.#members.clear();
  }

  // What workers say

  /**
   * A message of a worker, from its session.
   *
   * @throws LockstepError for one that is not for it to send now; its connection is then to be closed
   */
  take(session: Session, message: WorkerMessage): void {
    const member = this.#members.get(session.workerId);
    if (member === undefined) return; // it was dropped, and what it had sent is still coming in
    switch (message.type) {
      case "gradient-chunk": {
        const before = this.#round?.chunksTaken;
        this.#dispatch(this.#round?.onChunk(member.id, message) ?? []);
        if (this.#round?.chunksTaken !== before) this.#progressed(member);
        break;
      }
      case "contribution":
        this.#contributed(member, message);
        this.#dispatch(this.#round?.onContribution(member.id, message) ?? []);
        this.#strikeLiars(message.slice);
        break;
      case "evaluation":
        this.#evaluated(member, message);
        break;
      case "state-chunk":
        this.#streams.take(member, message);
        break;
      case "state-end":
        this.#streams.end(member, message);
        break;
      case "leaving":
        if (member.state === "in") member.state = "leaving";
        else if (member.state !== "leaving") this.#release(member);
        break;
      case "synced":
      case "digest-result":
      case "loaded":
        this.#answered(member, message);
        break;
      default:
        throw new LockstepError("ERR_MESSAGE_ORDER", `A worker of a run does not say ${message.type}.`);
    }
    this.#after();
  }

  // Inside

  #beginRound(task: StepTask): StepRound {
    const { layout, sliceRows } = this.#begun!;
    const able = this.#able(task.step);
    const weights = weightsOf(
      able.map(({ speed }) => speed),
      this.#options.balance,
    );
    const slices = planSlices(task.start, task.end, able.length > 0 ? weights : 1, sliceRows);
    const links = this.members.map(({ session }) => session.ready.linkBytesPerSecond);
    const round = new StepRound(task, slices, layout, links.some(packingPays), this.#spare);
    this.#round = round;
    this.#updateBytes = updateBytes(layout, task.end - task.start);
    const assignments = this.members
      .filter(({ follows }) => follows)
      .map((member) => {
        const index = able.indexOf(member);
        const own = slices.filter(({ worker }) => worker === index).map(({ slice }) => slice);
        return this.#assign(member, own);
      });
    this.#begun!.newcomers.told(encode(round.assign(-1, []).message));
    this.#dispatch(assignments);
    this.#decide();
    return round;
  }

  /** Who may be given slices: one that leaves, or still computes slices of an earlier step, only if there is no other. */
  #able(step: number): Member[] {
    const [here, leaving] = (["in", "leaving"] as const).map((wanted) =>
      this.members.filter(({ state }) => state === wanted),
    );
    const prompt = here!.filter(({ id }) => !this.#given.isBehind(id, step));
    return [prompt, here!].find(({ length }) => length > 0) ?? leaving!;
  }

  #assign(member: Member, slices: number[]): Outgoing {
    const now = this.#options.nowMs();
    const { step } = this.#round!.task;
    const outgoing = this.#round!.assign(member.id, slices);
    let queuedSamples = this.#openSamples(member);
    for (const index of slices) {
      const slice = this.#round!.slices[index]!;
      const samples = samplesOf(slice);
      queuedSamples += samples;
      const given = { worker: member.id, step, samples, queuedSamples, sinceMs: now };
      this.#given.add({ step, slice: index, attempt: slice.attemptsMade - 1 }, given);
    }
    return outgoing;
  }

  #contributed(member: Member, { ms, ...attempt }: Message<"contribution">): void {
    const now = this.#options.nowMs();
    const given = this.#given.get(member.id, attempt);
    if (given === undefined) return;
    member.progressMs = now;
    this.#given.delete(member.id, attempt);
    const computeMs = (ms["data"] ?? 0) + (ms["forward"] ?? 0) + (ms["backward"] ?? 0);
    member.measure(given.samples, { tookMs: now - Math.max(given.sinceMs, member.contributedMs), computeMs });
    member.contributedMs = now;
  }

  #evaluated(member: Member, message: Message<"evaluation">): void {
    if (message.request >= this.#ranges) {
      throw new LockstepError("ERR_ATTEMPT", `Nobody has asked for an evaluation under number ${message.request}.`);
    }
    if (this.#evaluation === undefined) return; // it was stopped
    const reason = this.#evaluation.round.take(member.id, message);
    if (reason === undefined) this.#progressed(member);
    else this.#refuse(member, reason);
  }

  #answered(member: Member, answer: Answer): void {
    if (this.#questions.take(member, answer)) this.#progressed(member);
    else if (answer.type !== "loaded") {
      throw new LockstepError("ERR_MESSAGE_ORDER", `Nobody has asked for a ${answer.type}.`);
    } // of a state that a run begins with it is told without being asked
  }

  #giveRanges(): void {
    const { task, round } = this.#evaluation!;
    const able = this.#able(this.#committed);
    round.settle(able.map(({ id }) => id));
    for (const member of able) {
      for (const range of round.give(member.id)) member.send({ type: "evaluate", part: task.part, ...range });
    }
  }

  /** What is carried out may call for another decision: that is then made afterwards, not in between. */
  #decide(): void {
    if (this.#deciding !== undefined) {
      this.#deciding.again = true;
      return;
    }
    do {
      this.#deciding = { again: false };
      for (const decision of this.#decisions()) this.#carryOut(decision);
    } while (this.#deciding.again);
    this.#deciding = undefined;
  }

  #decisions(): Decision[] {
    const { nowMs, ...limits } = this.#options;
    const step = this.#committed; // the one under way
    const able = new Set(this.#able(step));
    const openSlices = (this.#round?.slices ?? []).filter((slice) => doneAttempt(slice) === undefined);
    const slowest = Math.max(0, ...this.members.map(({ msPerSample }) => msPerSample ?? 0));
    const view = {
      workers: this.members.map((member) => this.#viewOf(member, able.has(member))),
      openSlices: openSlices.map((slice) => ({
        slice: slice.slice,
        samples: samplesOf(slice),
        attempts: [...slice.attempts.values()].map(({ attempt, worker }) => {
          const { sinceMs, queuedSamples } = this.#given.get(worker, { step, slice: slice.slice, attempt })!;
          const msPerSample = this.#members.get(worker)?.msPerSample ?? slowest;
          return { worker, sinceMs, expectedMs: msPerSample === 0 ? undefined : msPerSample * queuedSamples };
        }),
        notFor: slice.notFor,
        notFinite: slice.notFinite,
      })),
    };
    return decide(nowMs(), view, limits);
  }

  #carryOut(decision: Decision): void {
    const { log } = this.#options;
    switch (decision.type) {
      case "drop": {
        const member = this.#members.get(decision.worker);
        if (member !== undefined) this.#drop(member, decision.code, decision.reason);
        return;
      }
      case "assign": {
        const member = this.#members.get(decision.worker);
        if (member === undefined) return; // dropped by the decision before this one
        const slice = `slice ${decision.slice} of step ${this.#round!.task.step}`;
        log(`${slice} goes to ${member.name}: ${decision.reason}`, "slice-redone", { worker: member.name });
        this.#dispatch([this.#assign(member, [decision.slice])]);
        return;
      }
      case "diverged":
        this.#round?.giveUp();
    }
  }

  /** Says it when the run begins to pause, and when it goes on. */
  #pause(reason: string | undefined): void {
    if ((reason === undefined) !== (this.#pausedFor === undefined)) {
      if (reason === undefined) this.#options.log("the run goes on", "goes-on");
      else this.#options.log(`the run pauses: ${reason}; start more workers`, "paused");
    }
    this.#pausedFor = reason;
  }

  #openSamples({ id }: Member): number {
    return this.#given.samplesOf(id) + (this.#evaluation?.round.openSamples(id) ?? 0);
  }

  #viewOf(member: Member, takesSlices: boolean): WorkerView {
    const { id, session, msPerSample } = member;
    const openSamples = this.#openSamples(member);
    const inOrder = openSamples > 0 || this.#questions.owes(member) || this.#round?.owes(id) === true;
    if (!inOrder) member.progressMs = this.#options.nowMs();
    const streamSinceMs = this.#streams.waitingSinceMs(member);
    return {
      ...{ id, heardMs: session.heardMs, openSamples, msPerSample, takesSlices },
      catchesUp: member.state === "loading" || member.state === "replaying",
      progressMs: Math.min(member.progressMs, streamSinceMs ?? member.progressMs),
      owes: inOrder || streamSinceMs !== undefined,
    };
  }

  /** A worker has done something that it was to do. While it owes a slice of an earlier step that comes first. */
  #progressed(member: Member): void {
    if (!this.#given.isBehind(member.id, this.#committed)) member.progressMs = this.#options.nowMs();
  }

  #refuse(member: Member, reason: string): void {
    this.#logRefusal(member, reason);
    this.#strike(member, reason);
  }

  #logRefusal({ name }: Member, reason: string): void {
    this.#options.log(`a contribution of ${name} was refused: ${reason}`, "refused", { worker: name });
  }

  /** The third refusal is the last. */
  #strike(member: Member, reason: string): void {
    member.strikes++;
    if (member.strikes < MAX_STRIKES) return;
    this.#drop(member, "ERR_STRIKES", `${MAX_STRIKES} of its contributions were refused, the last one for: ${reason}`);
  }

  /** Numbers that are not finite may be the training's fault, until another worker finds those of the slice finite. */
  #strikeLiars(slice: number): void {
    for (const id of this.#round?.liarsOf(slice) ?? []) {
      const member = this.#members.get(id);
      if (member !== undefined) this.#strike(member, "numbers that are not finite, where another worker's are");
    }
  }

  /** Tells a worker why it has to go. */
  #drop(member: Member, code: ErrorCode, reason: string): void {
    this.#remove(member.id, "dropped", `${member.name} was dropped: ${reason}`);
    member.session.close(code, `The coordinator dropped this worker: ${reason}.`);
  }

  #remove(id: number, kind: "lost" | "dropped" | "left", line: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#members.delete(id);
    member.gone = true;
    this.#options.log(`${line} (${this.#howMany()})`, kind, { worker: member.name });
    this.#evaluation?.round.lose(id);
    this.#given.lose(id);
    this.#streams.lose(member);
    this.#dispatch(this.#round?.lose(id) ?? []);
    if (this.#begun !== undefined && !this.members.some(({ follows }) => follows)) {
      this.#waiters.fail(new LockstepError("ERR_ALL_LOST", "No worker is left that holds the weights."));
    }
    this.#decide();
    this.#after();
  }

  /** A worker that has asked to leave, and owes nothing, is let go. */
  #release(member: Member): void {
    member.send({ type: "finished" });
    this.#remove(member.id, "left", `${member.name} left`);
  }

  /** Something has happened. */
  #after(): void {
    for (const member of this.members.filter(({ state }) => state === "leaving")) {
      const owes = this.#openSamples(member) > 0 || this.#streams.isSource(member);
      const isLast = !this.members.some((other) => other !== member && other.follows);
      if (!owes && !isLast) this.#release(member);
    }
    this.#waiters.look();
  }

  // Weights that travel

  /** Between steps: workers that wait are brought in, if someone has the weights. */
  #bringIn(): void {
    if (this.#round !== undefined || this.#begun?.sent !== true || this.#begun.newcomers.busy) return;
    const source = this.#holders()[0];
    const waiting = this.members.filter(({ state }) => state === "waiting");
    if (source === undefined || waiting.length === 0) return;
    void this.#begun.newcomers
      .bringIn(waiting, this.#committed, source)
      .then(() => this.tick())
      .catch((error) => {
        const isTold = error instanceof LockstepError && error.code === "ERR_ALL_LOST"; // to whoever waits for the step
        if (!isTold) this.#waiters.fail(error);
      });
  }

  /** Those who have the weights, the fastest first. */
  #holders(): Member[] {
    const holders = this.members.filter(({ state }) => state === "in" || state === "leaving");
    return holders.sort((a, b) => (b.speed ?? 0) - (a.speed ?? 0));
  }

  // Telling

  /**
   * Sends what a round says. What is the same for all is encoded once. What follows from it is told afterwards, so that
   * all hear everything in one order.
   */
  #dispatch(outgoing: readonly Outgoing[]): void {
    for (const { to, except, message } of outgoing) {
      const bytes = encode(message);
      if (to === "all") this.#begun!.newcomers.told(bytes);
      for (const member of this.members) {
        if (to === "all" ? !member.follows || member.id === except : member.id !== to) continue;
        member.session.send(bytes);
        member.session.bytesDown += bytes.length;
      }
    }
    for (const { to, message } of outgoing) {
      if (message.type !== "rejected") continue;
      const member = this.#members.get(to as number);
      this.#given.delete(to as number, message);
      if (member !== undefined && message.code === "ERR_NOT_FINITE") this.#logRefusal(member, message.reason);
      else if (member !== undefined) this.#refuse(member, message.reason);
      this.#decide();
    }
    for (const member of this.members) this.#dropSlowReader(member);
  }

  #countTravelled(members: readonly Member[]): void {
    for (const { session } of members) {
      this.travelled.workerSteps++;
      this.travelled.bytesUp += session.bytesUp;
      this.travelled.bytesDown += session.bytesDown;
      session.bytesUp = session.bytesDown = 0;
    }
  }

  /** A worker that does not read is dropped before it fills the memory. */
  #dropSlowReader(member: Member): void {
    const { waitingBytes } = member.session;
    if (waitingBytes <= (this.#options.maxWaitingBytes ?? MAX_WAITING_BYTES) + this.#updateBytes) return;
    this.#drop(member, "ERR_SLOW_READER", `${Math.round(waitingBytes / 1e6)} MB wait for it: it does not read`);
  }
}
