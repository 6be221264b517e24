/**
 * A team of workers behind sockets, who may come and go. It is a thin shell around what decides: `decide` says who is
 * gone and who computes what, `StepRound` what goes out when a piece comes in. Time comes from outside, with `tick`.
 */
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import {
  CHUNK_BYTES,
  chunksOf,
  elementsOf,
  encode,
  type Layout,
  makeLayout,
  type Plan,
  rawFloats,
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
  type WorkerShare,
} from "@lockstep/run";
import type { TellEvent, WorkerNow } from "@lockstep/run/live";
import { type Balance, weightsOf } from "./balance.ts";
import { type Decision, decide, type Limits, type WorkerView } from "./decide.ts";
import { EvaluationRound } from "./evaluation-round.ts";
import { Member, sendToAll } from "./members.ts";
import { Newcomers } from "./newcomers.ts";
import { type Answer, Questions } from "./questions.ts";
import { culprits } from "./replica-check.ts";
import type { Session } from "./sessions.ts";
import { type StateSpec, StateStreams } from "./state-streams.ts";
import { doneAttempt, type Outgoing, StepRound, samplesOf } from "./step-round.ts";
import { Waiters } from "./waiters.ts";

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
type Given = { worker: number; step: number; samples: number; queuedSamples: number; sinceMs: number };

/** What is settled when a run begins. */
interface Begun {
  /** Whether all who begin were sent the weights. */
  sent: boolean;
  layout: Layout;
  sliceRows: number | undefined;
  stateDict: StateSpec[];
  numClasses: number;
  newcomers: Newcomers;
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
  /** The attempts whose contributions have not come, also those of earlier steps that others were quicker with. */
  readonly #given = new Map<string, Given>();
  #ranges = 0;
  /** Of a step, as each worker is told of it: at most. */
  #updateBytes = 0;
  /** Updates that everyone was told of. */
  #committed = 0;
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
    const begun = { sent: false, layout: makeLayout(tensors, plan), sliceRows, stateDict, numClasses, newcomers };
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
    if (origin.from === "state") await this.#sendState(origin.tensors, holders);
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
    const workers = this.#shares(round, stepMs);
    beforeCommit({ ...round.totals(), ms: { step: stepMs }, slices: round.slices.length, workers });
    this.#lastCommitMs = now;
    this.#committed = task.step + 1;
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
  async state(): Promise<ParameterState[]> {
    const { stateDict } = this.#begun!;
    const step = this.#committed;
    const state = stateDict.map(({ name, shape }) => {
      const elements = elementsOf(shape);
      return { name, shape, weight: new Float32Array(elements), velocity: new Float32Array(elements) };
    });
    const source = this.#source();
    const what = { stateDict, step };
    const whole = await this.#streams.request(source, what, async ({ tensor, kind, offset, data }) =>
      state[tensor]![kind].set(rawFloats(data), offset),
    );
    if (!whole && this.#committed === step) return this.state(); // another worker has it still
    if (!whole) throw new LockstepError("ERR_STATE_LOST", `${source.name} was lost before it had sent its state.`);
    return state;
  }

  /**
   * Compares digests of all replicas. On like devices they must be equal; where devices differ, so may rounding: then
   * the first worker's state is sent to the others.
   *
   * @throws LockstepError ERR_REPLICA that names the worker
   */
  async checkReplicas(): Promise<void> {
    const members = this.members.filter(({ state }) => state === "in");
    const answers = await this.#questions.ask(members, { type: "digest" });
    const replicas = [...answers].map(([member, { digest }]) => ({ member, digest }));
    const { wrong, drifted, reference } = culprits(replicas);
    if (wrong.length > 0) {
      const names = wrong.map(({ name }) => name).join(" and ");
      const text = `The weights of ${names} differ from those of ${reference!.name}, though their devices are alike`;
      throw new LockstepError(
        "ERR_REPLICA",
        `${text}. Look for faulty memory or another version there; start again with --resume and without it.`,
      );
    }
    if (drifted.length > 0) await this.#mend(reference!, drifted);
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
    const round = new StepRound(task, slices, layout);
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
    const late = new Set([...this.#given.values()].filter((given) => given.step < step).map(({ worker }) => worker));
    const prompt = here!.filter(({ id }) => !late.has(id));
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
      this.#given.set(keyOf({ step, slice: index, attempt: slice.attemptsMade - 1 }), given);
    }
    return outgoing;
  }

  #contributed(member: Member, { ms, ...attempt }: Message<"contribution">): void {
    const now = this.#options.nowMs();
    const given = this.#given.get(keyOf(attempt));
    if (given?.worker !== member.id) return;
    member.progressMs = now;
    this.#given.delete(keyOf(attempt));
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
    else this.#strike(member, reason);
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
          const { sinceMs, queuedSamples } = this.#given.get(keyOf({ step, slice: slice.slice, attempt }))!;
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
    const slices = [...this.#given.values()].filter(({ worker }) => worker === id);
    const inSlices = slices.reduce((total, { samples }) => total + samples, 0);
    return inSlices + (this.#evaluation?.round.openSamples(id) ?? 0);
  }

  #viewOf(member: Member, takesSlices: boolean): WorkerView {
    const { id, session, msPerSample } = member;
    const openSamples = this.#openSamples(member);
    const inOrder = openSamples > 0 || this.#questions.owes(member) || this.#round?.owes(id) === true;
    if (!inOrder) member.progressMs = this.#options.nowMs();
    const streamSinceMs = this.#streams.waitingSinceMs(member);
    return {
      ...{ id, heardMs: session.heardMs, openSamples, msPerSample, takesSlices },
      progressMs: Math.min(member.progressMs, streamSinceMs ?? member.progressMs),
      owes: inOrder || streamSinceMs !== undefined,
    };
  }

  /** A worker has done something that it was to do. While it is behind, it should do other things first. */
  #progressed(member: Member): void {
    if (!this.#isBehind(member)) member.progressMs = this.#options.nowMs();
  }

  /** Whether it still owes a slice of an earlier step. */
  #isBehind({ id }: Member): boolean {
    return [...this.#given.values()].some(({ worker, step }) => worker === id && step < this.#committed);
  }

  /** A contribution of a worker's was refused; the third one is the last. */
  #strike(member: Member, reason: string): void {
    member.strikes++;
    this.#options.log(`a contribution of ${member.name} was refused: ${reason}`, "refused", { worker: member.name });
    if (member.strikes < MAX_STRIKES) return;
    this.#drop(member, "ERR_STRIKES", `${MAX_STRIKES} of its contributions were refused, the last one for: ${reason}`);
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
    for (const [key, { worker }] of this.#given) if (worker === id) this.#given.delete(key);
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
      .catch(() => {}); // nobody holds the weights any more: whoever waits for the step hears of that
  }

  /** Weights from a file, for all who begin. */
  async #sendState(tensors: readonly ParameterState[], members: Member[]): Promise<void> {
    for (const [tensor, { weight, velocity }] of tensors.entries()) {
      for (const [kind, values] of [
        ["weight", weight],
        ["velocity", velocity],
      ] as const) {
        for (const piece of chunksOf(values, CHUNK_BYTES)) {
          await sendToAll(members, encode({ type: "load-chunk", tensor, kind, ...piece }));
        }
      }
    }
    for (const member of members) member.send({ type: "load-end", step: this.#committed });
  }

  /** Whose state is read: that of the fastest worker, to which it costs least. */
  #source(): Member {
    const source = this.#holders()[0];
    if (source === undefined) throw new LockstepError("ERR_ALL_LOST", "No worker is left that holds the weights.");
    return source;
  }

  /** Those who have the weights, the fastest first. */
  #holders(): Member[] {
    const holders = this.members.filter(({ state }) => state === "in" || state === "leaving");
    return holders.sort((a, b) => (b.speed ?? 0) - (a.speed ?? 0));
  }

  /** Sends the state of one worker to others that have drifted away from it. */
  async #mend(source: Member, drifted: Member[]): Promise<void> {
    const what = { stateDict: this.#begun!.stateDict, step: this.#committed };
    const whole = await this.#streams.request(source, what, (piece) =>
      sendToAll(drifted, encode({ ...piece, type: "load-chunk" })),
    );
    if (!whole) return; // the next epoch's check will find them
    const answers = await this.#questions.ask(drifted, { type: "load-end", step: this.#committed });
    for (const [{ name }, { largestDifference }] of answers) {
      const by = largestDifference.toExponential(1);
      const line = `${name} had drifted from ${source.name} by up to ${by}, as other devices round; mended`;
      this.#options.log(line, "mended", { worker: name });
    }
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
      this.#given.delete(keyOf(message));
      if (member !== undefined) this.#strike(member, message.reason);
      this.#decide();
    }
    for (const member of this.members) this.#dropSlowReader(member);
  }

  /** A worker that does not read is dropped before it fills the memory. */
  #dropSlowReader(member: Member): void {
    const { waitingBytes } = member.session;
    if (waitingBytes <= (this.#options.maxWaitingBytes ?? MAX_WAITING_BYTES) + this.#updateBytes) return;
    this.#drop(member, "ERR_SLOW_READER", `${Math.round(waitingBytes / 1e6)} MB wait for it: it does not read`);
  }

  #shares(round: StepRound, stepMs: number): WorkerShare[] {
    const done = round.slices.flatMap((slice) => {
      const attempt = doneAttempt(slice);
      return attempt === undefined ? [] : [{ worker: attempt.worker, contribution: attempt.contribution! }];
    });
    return this.members
      .filter(({ follows }) => follows)
      .map(({ id, name, session }) => {
        const own = done.filter(({ worker }) => worker === id).map(({ contribution }) => contribution);
        const share = {
          name,
          samples: own.reduce((total, { samples }) => total + samples, 0),
          bytesUp: session.bytesUp,
          bytesDown: session.bytesDown,
          ms: withWait(addUp(own.map(({ ms }) => ms)), stepMs),
          io: addUp(own.map(({ io }) => io)),
          ...this.#doneMs(own, session, stepMs),
        };
        this.travelled.workerSteps++;
        this.travelled.bytesUp += session.bytesUp;
        this.travelled.bytesDown += session.bytesDown;
        session.bytesUp = session.bytesDown = 0;
        return share;
      });
  }

  /** When in the step the last of these was computed, as far as the clocks can be compared. */
  #doneMs(own: readonly Message<"contribution">[], { clockAheadMs }: Session, stepMs: number): { doneMs?: number } {
    if (own.length === 0 || clockAheadMs === undefined) return {};
    const doneMs = Math.max(...own.map((contribution) => contribution.doneMs)) - clockAheadMs - this.#lastCommitMs;
    return { doneMs: Math.min(Math.max(0, doneMs), stepMs) };
  }
}

const keyOf = ({ step, slice, attempt }: { step: number; slice: number; attempt: number }) =>
  `${step}/${slice}/${attempt}`;

function addUp(parts: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const part of parts) for (const [name, ms] of Object.entries(part)) total[name] = (total[name] ?? 0) + ms;
  return total;
}

/** What is left of the step: the computing thread had nothing to do, from its contribution to the commit. */
function withWait(ms: Record<string, number>, stepMs: number): Record<string, number> {
  const busyMs = Object.values(ms).reduce((total, part) => total + part, 0);
  return { ...ms, wait: Math.max(0, stepMs - busyMs) };
}
