/**
 * A team of workers behind sockets, who may come and go. `Membership` knows who is here, `Duties` what each was given to do.
 * What decides is apart: `decide` says who is gone and who computes what, `StepRound` what goes out when a piece comes
 * in. Time comes from outside, with `tick`.
 */
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import {
  BufferPool,
  encode,
  type Layout,
  makeLayout,
  type Outgoing,
  packingPays,
  StepRound,
  updateBytes,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import {
  type EvaluateTask,
  type Evaluation,
  planSlices,
  type StateCapture,
  type StepTask,
  type StepTotals,
  type Team,
} from "@lockstep/run";
import type { TellEvent, WorkerNow } from "@lockstep/run/live";
import type { MessageHandler } from "../connections/admission-control.ts";
import type { ReadySession } from "../connections/ready-session.ts";
import { type Balance, weightsOf } from "../membership/balance.ts";
import { type Decision, decide, type Limits } from "../membership/decide.ts";
import { areAlike } from "../membership/lineage.ts";
import type { Member } from "../membership/members.ts";
import { Membership } from "../membership/membership.ts";
import { Violations } from "../membership/violations.ts";
import { type Beginning, startWorkers } from "../state/beginning.ts";
import { Newcomers } from "../state/newcomers.ts";
import { Replicas } from "../state/replicas.ts";
import { countTravelled, sharesOf, type Travelled } from "../step/worker-shares.ts";
import { Condition } from "./condition.ts";
import { Duties } from "./duties.ts";
import type { Reply, ReplyType } from "./requests.ts";

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

const MAX_WAITING_BYTES = 256 * 2 ** 20;

/** What is settled when a run begins. */
interface Begun {
  /** Whether all who begin were sent the weights. */
  sent: boolean;
  layout: Layout;
  sliceRows: number | undefined;
  numClasses: number;
  newcomers: Newcomers;
  replicas: Replicas;
  /** What dense chunks are decoded into, of the sizes that the layout has. */
  pool: BufferPool;
}

export class RemoteTeam implements Team {
  readonly #options: TeamOptions;
  readonly #membership = new Membership();
  readonly #condition = new Condition();
  readonly #duties: Duties;
  readonly #violations: Violations;
  #begun: Begun | undefined;
  #round: StepRound | undefined;
  /** Upper bound on the bytes of one step's update. */
  #updateBytes = 0;
  /** Updates that everyone was told of; and how many there were before some were undone, at the most. */
  #committed = 0;
  #mostCommitted = 0;
  #lastCommitMs: number;
  #pausedFor: string | undefined;
  #givenUp: LockstepError | undefined;
  #deciding: { again: boolean } | undefined;
  /** Of all steps and workers so far. */
  readonly travelled: Travelled = { workerSteps: 0, bytesUp: 0, bytesDown: 0 };

  constructor(options: TeamOptions) {
    this.#options = options;
    this.#duties = new Duties(this.#membership, this.#condition, options.nowMs);
    this.#violations = new Violations({ log: options.log, drop: this.#drop.bind(this) });
    this.#lastCommitMs = options.nowMs();
  }

  // Who is here

  /**
   * Takes in a worker that has built the model. If the run is under way, it catches up and takes part.
   *
   * @returns the handler of what it sends
   */
  join(session: ReadySession): MessageHandler {
    const member = this.#membership.add(session, this.#options.nowMs());
    const { device, backend } = session.hello;
    const line = `${member.name} joined: ${device}, ${backend} (${this.#howMany()})`;
    this.#options.log(line, "joined", { worker: member.name, device, backend });
    this.#after();
    return (message) => this.take(session, message);
  }

  /** A worker's connection has ended. */
  lose(session: ReadySession, reason: string): void {
    const member = this.#membership.get(session.workerId);
    if (member !== undefined) this.#remove(member, "lost", `${member.name} was lost: ${reason}`);
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

  /** How many the run waits for before it begins. */
  get workers(): number {
    return this.#options.workers;
  }

  /** Workers that have built the model. */
  get size(): number {
    return this.#membership.size;
  }

  get members(): readonly Member[] {
    return this.#membership.all;
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
    return this.#condition.wait(holds);
  }

  /** The most updates that workers here still hold the weights of, if any hold those of this run. */
  get heldStep(): number | undefined {
    return this.#membership.heldStep(this.#options.runId);
  }

  /**
   * Whether, between steps, all who hold the weights want to leave: the last of them waits until they are saved, and
   * `reset` is called. At the end of a step others may still catch up.
   */
  get lastLeaves(): boolean {
    return this.#round === undefined && this.#membership.lastLeaves;
  }

  /** Nobody is left who holds the weights: those who are here, and those who come, may begin again. */
  reset(): void {
    this.#begun = this.#round = undefined;
    this.#duties.reset();
    this.#condition.fail(this.#givenUp);
    for (const member of this.members) {
      if (member.state === "leaving") this.#release(member);
      else if (member.state !== "waiting")
        this.#drop(member, "ERR_STATE_LOST", "the workers that had the weights for it are lost");
    }
  }

  /** No worker can take part in this run: whoever waits for something, now or later, hears why. */
  giveUp(reason: LockstepError): void {
    this.#givenUp ??= reason;
    this.#condition.fail(this.#givenUp);
  }

  /** Drops a worker for good, whatever it does. @returns whether it was here */
  dismiss(name: string): boolean {
    const member = this.members.find((one) => one.name === name);
    if (member !== undefined) this.#drop(member, "ERR_DISMISSED", "this was requested from the dashboard");
    return member !== undefined;
  }

  // The run

  /** All who are here begin; those who come later catch up. */
  async begin(beginning: Beginning): Promise<void> {
    const { plan, origin, sliceRows } = beginning;
    const { tensors, stateDict, numClasses } = this.members[0]!.session.ready;
    const { maxLogBytes, log, runId, nowMs } = this.#options;
    const { streams, requests } = this.#duties;
    const drop = this.#drop.bind(this);
    const newcomers = new Newcomers({ streams, requests, plan, stateDict, maxLogBytes, drop, log });
    const replicas = new Replicas({
      ...{ streams, requests, condition: this.#condition, stateDict, log },
      holders: () => this.#membership.holders,
      updates: () => this.#committed,
    });
    const begun = {
      sent: false,
      layout: makeLayout(tensors, plan),
      sliceRows,
      numClasses,
      newcomers,
      replicas,
      pool: new BufferPool(),
    };
    this.#begun = begun;
    this.#committed = origin.from === "seed" ? 0 : origin.step;
    await startWorkers(beginning, { membership: this.#membership, replicas, runId });
    begun.sent = true;
    this.#lastCommitMs = nowMs();
    this.#bringIn();
  }

  /** Fewer workers than there must be are a pause, which is said. */
  async assemble(signal: AbortSignal): Promise<void> {
    const { minWorkers, nowMs } = this.#options;
    let paused = false;
    await this.until(() => {
      const here = this.members.filter(({ state }) => state !== "leaving").length;
      this.#pause(here >= minWorkers ? undefined : `${here} of at least ${minWorkers} workers are here`);
      const enough = this.#membership.in("in").length >= minWorkers;
      paused ||= !enough;
      return enough || signal.aborted;
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
    try {
      // What came in the same turn of the event loop may have taken back what made it complete.
      while (!round.complete) await this.until(() => round.complete);
      this.#commit(round, beforeCommit);
    } finally {
      this.#round = undefined;
    }
    this.#bringIn();
  }

  async evaluate(task: EvaluateTask, signal = new AbortController().signal): Promise<Evaluation | undefined> {
    const classes = this.#begun!.numClasses;
    const able = () => this.#duties.able(this.#committed);
    const evaluation = await this.#duties.evaluations.evaluate(task, { classes, able, signal });
    this.#lastCommitMs = this.#options.nowMs();
    return evaluation;
  }

  captureState(): StateCapture {
    const state = this.#begun!.replicas.read();
    state.catch(() => {}); // whoever reads it hears of it
    return { read: () => state };
  }

  /** @throws LockstepError ERR_REPLICA that names the worker whose replica is not what it must be */
  async checkReplicas(): Promise<void> {
    await this.#begun!.replicas.compare(this.#membership.in("in"));
    this.#lastCommitMs = this.#options.nowMs();
  }

  /** Says goodbye to all. */
  finish(): void {
    for (const member of this.members) member.send({ type: "finished" });
    this.#membership.clear();
  }

  // What workers say

  /**
   * A message of a worker, from its session.
   *
   * @throws LockstepError for one that is not for it to send now; its connection is then to be closed
   */
  take(session: ReadySession, message: WorkerMessage): void {
    const member = this.#membership.get(session.workerId);
    if (member === undefined) return; // it was dropped, and what it had sent is still coming in
    switch (message.type) {
      case "gradient-chunk": {
        const before = this.#round?.chunksTaken;
        this.#dispatch(this.#round?.onChunk(member.id, message) ?? []);
        if (this.#round?.chunksTaken !== before) this.#duties.progressed(member, this.#committed);
        break;
      }
      case "contribution":
        this.#duties.contributed(member, message);
        this.#dispatch(this.#round?.onContribution(member.id, message) ?? []);
        for (const id of this.#round?.liarsOf(message.slice) ?? []) {
          const liar = this.#membership.get(id);
          if (liar !== undefined) this.#violations.falseNotFinite(liar);
        }
        break;
      case "evaluation": {
        const { awaited, refused } = this.#duties.evaluations.take(member.id, message);
        if (refused !== undefined) this.#violations.refused(member, { reason: refused });
        else if (awaited) this.#duties.progressed(member, this.#committed);
        break;
      }
      case "state-chunk":
        this.#duties.streams.take(member, message);
        break;
      case "state-end":
        this.#duties.streams.end(member, message);
        break;
      case "leaving":
        if (member.state === "in") member.state = "leaving";
        else if (member.state !== "leaving") this.#release(member);
        break;
      case "synced":
        this.#replied(message.type, member, message);
        break;
      case "digest-result":
        this.#replied(message.type, member, message);
        break;
      case "loaded":
        this.#replied(message.type, member, message);
        break;
      default:
        throw new LockstepError("ERR_MESSAGE_ORDER", `A worker that has joined may not send ${message.type}.`);
    }
    this.#after();
  }

  // Inside

  /** Ends a step whose sums are all there: tells of it, and then has everyone apply it. */
  #commit(round: StepRound, beforeCommit: (totals: StepTotals) => void): void {
    const now = this.#options.nowMs();
    const stepMs = now - this.#lastCommitMs;
    const { followers } = this.#membership;
    const workers = sharesOf(followers, round, { sinceMs: this.#lastCommitMs, stepMs });
    countTravelled(followers, this.travelled);
    beforeCommit({ ...round.totals(), ms: { step: stepMs }, slices: round.slices.length, workers });
    this.#lastCommitMs = now;
    this.#committed = round.task.step + 1;
    this.#mostCommitted = Math.max(this.#mostCommitted, this.#committed);
    this.#dispatch([round.commit()]);
  }

  #beginRound(task: StepTask): StepRound {
    const { layout, sliceRows, pool } = this.#begun!;
    const able = this.#duties.able(task.step);
    const weights = weightsOf(
      able.map(({ speed }) => speed),
      this.#options.balance,
    );
    const slices = planSlices(task.start, task.end, able.length > 0 ? weights : 1, sliceRows);
    const links = this.members.map(({ session }) => session.ready.linkBytesPerSecond);
    const round = new StepRound(task, slices, layout, links.some(packingPays), pool);
    this.#round = round;
    this.#updateBytes = updateBytes(layout, task.end - task.start);
    const assignments = this.#membership.followers.map((member) => {
      const index = able.indexOf(member);
      const own = slices.filter(({ worker }) => worker === index).map(({ slice }) => slice);
      return this.#duties.give(member, own, round);
    });
    this.#begun!.newcomers.told(encode(round.assign(-1, []).message));
    this.#dispatch(assignments);
    this.#decide();
    return round;
  }

  #replied<Type extends ReplyType>(type: Type, member: Member, reply: Reply<Type>): void {
    if (this.#duties.requests.onReply(type, member, reply)) this.#duties.progressed(member, this.#committed);
    else if (type !== "loaded") {
      throw new LockstepError("ERR_MESSAGE_ORDER", `The coordinator has not asked for a ${type}.`);
    } // of a state that a run begins with it is told without being asked
  }

  /** What is carried out may call for another decision: that is then made afterwards, not in between. */
  #decide(): void {
    if (this.#deciding !== undefined) {
      this.#deciding.again = true;
      return;
    }
    const { nowMs, ...limits } = this.#options;
    try {
      do {
        this.#deciding = { again: false };
        const view = this.#duties.view(this.#committed, this.#round);
        for (const decision of decide(nowMs(), view, limits)) this.#carryOut(decision);
      } while (this.#deciding.again);
    } finally {
      this.#deciding = undefined;
    }
  }

  #carryOut(decision: Decision): void {
    const { log } = this.#options;
    switch (decision.type) {
      case "drop": {
        const member = this.#membership.get(decision.worker);
        if (member !== undefined) this.#drop(member, decision.code, decision.reason);
        return;
      }
      case "assign": {
        const member = this.#membership.get(decision.worker);
        if (member === undefined) return; // dropped by the decision before this one
        const slice = `slice ${decision.slice} of step ${this.#round!.task.step}`;
        log(`${slice} goes to ${member.name}: ${decision.reason}`, "slice-redone", { worker: member.name });
        this.#dispatch([this.#duties.give(member, [decision.slice], this.#round!)]);
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

  /** Tells a worker why it has to go. */
  #drop(member: Member, code: ErrorCode, reason: string): void {
    this.#remove(member, "dropped", `${member.name} was dropped: ${reason}`);
    member.session.close(code, `The coordinator dropped this worker: ${reason}.`);
  }

  #remove(member: Member, kind: "lost" | "dropped" | "left", line: string): void {
    if (this.#membership.get(member.id) === undefined) return;
    this.#membership.delete(member);
    this.#options.log(`${line} (${this.#howMany()})`, kind, { worker: member.name });
    this.#duties.lose(member);
    this.#dispatch(this.#round?.lose(member.id) ?? []);
    if (this.#begun !== undefined && this.#membership.followers.length === 0) {
      const lost = new LockstepError("ERR_ALL_LOST", "No worker is left that holds the weights.");
      this.#condition.fail(this.#givenUp ?? lost);
    }
    this.#decide();
    this.#after();
  }

  /** A worker that has asked to leave, and owes nothing, is let go. */
  #release(member: Member): void {
    member.send({ type: "finished" });
    this.#remove(member, "left", `${member.name} left`);
  }

  /** Something has happened. */
  #after(): void {
    for (const member of this.#membership.in("leaving")) {
      const owes = this.#duties.openSamples(member) > 0 || this.#duties.streams.isSource(member);
      const isLast = !this.#membership.followers.some((other) => other !== member);
      if (!owes && !isLast) this.#release(member);
    }
    this.#condition.notify();
  }

  // Weights that travel

  /**
   * Between steps: workers that wait are brought in, if someone has the weights. Those whose devices are alike come
   * together, with the weights of a worker that is like them, if there is one: it rounds as they do.
   */
  #bringIn(): void {
    if (this.#round !== undefined || this.#begun?.sent !== true || this.#begun.newcomers.busy) return;
    const { holders } = this.#membership;
    const waiting = this.#membership.in("waiting");
    const [first] = waiting;
    if (holders.length === 0 || first === undefined) return;
    const alike = waiting.filter((member) => areAlike(member, first));
    const source = holders.find((member) => areAlike(member, first)) ?? holders[0]!;
    this.#begun.newcomers
      .bringIn(alike, this.#committed, source)
      .then(() => this.tick())
      .catch((error) => {
        const isTold = error instanceof LockstepError && error.code === "ERR_ALL_LOST"; // to whoever waits for the step
        if (!isTold) this.#condition.fail(error);
      });
  }

  // Telling

  /** Sends what a round says. What follows from it is told afterwards, so that all hear everything in one order. */
  #dispatch(outgoing: readonly Outgoing[]): void {
    for (const each of outgoing) {
      const bytes = this.#membership.tell(each);
      if (each.to === "all") this.#begun!.newcomers.told(bytes);
    }
    for (const { to, message } of outgoing) {
      if (message.type !== "rejected") continue;
      const member = this.#membership.get(to as number);
      this.#duties.rejected(to as number, message);
      if (member !== undefined) this.#violations.refused(member, message);
      this.#decide();
    }
    for (const member of this.members) this.#dropSlowReader(member);
  }

  /** A worker that does not read is dropped before it fills the memory. */
  #dropSlowReader(member: Member): void {
    const { waitingBytes } = member.session;
    if (waitingBytes <= (this.#options.maxWaitingBytes ?? MAX_WAITING_BYTES) + this.#updateBytes) return;
    this.#drop(member, "ERR_SLOW_READER", `it has not read the ${Math.round(waitingBytes / 1e6)} MB that wait for it`);
  }
}
