/**
 * A team of workers behind sockets, who may come and go. It is a thin shell around what decides: `decide` says who is
 * gone and who computes what, `StepRound` what goes out when a piece comes in. Time comes from outside, with `tick`.
 */
import { LockstepError } from "@lockstep/errors";
import {
  CHUNK_BYTES,
  type CoordinatorMessage,
  chunksOf,
  elementsOf,
  encode,
  type Layout,
  makeLayout,
  PartAssembly,
  type Plan,
  rawFloats,
  STATE_WINDOW,
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
import { type Balance, weightsOf } from "./balance.ts";
import { type Decision, decide, type Limits } from "./decide.ts";
import { EvaluationRound } from "./evaluation-round.ts";
import { Member } from "./members.ts";
import { culprits } from "./replica-check.ts";
import type { Session } from "./sessions.ts";
import { doneAttempt, type Outgoing, StepRound, samplesOf } from "./step-round.ts";
import { UpdateLog } from "./update-log.ts";

export interface TeamOptions extends Limits {
  balance: Balance;
  /** Names the run, through restarts. */
  runId: string;
  /** Bytes of updates that are kept for a worker that joins. */
  maxLogBytes: number;
  /** Told in whole lines what happens to workers. */
  log: (line: string) => void;
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
/** A worker that lets more than this wait for it is dropped; a few updates of the step fit in as well. */
const MAX_WAITING_BYTES = 256 * 2 ** 20;

type Message<Type extends WorkerMessage["type"]> = Extract<WorkerMessage, { type: Type }>;
type Given = { worker: number; samples: number; queuedSamples: number; sinceMs: number };

export class RemoteTeam implements Team {
  readonly #options: TeamOptions;
  readonly #members = new Map<number, Member>();
  #begun:
    | { plan: Plan; layout: Layout; sliceRows: number | undefined; stateDict: StateSpec[]; numClasses: number }
    | undefined;
  #round: StepRound | undefined;
  #evaluation: { task: Extract<Task, { type: "evaluate" }>; round: EvaluationRound } | undefined;
  /** The attempts of the step under way whose contributions have not come, by slice and attempt. */
  readonly #given = new Map<string, Given>();
  /** Workers' states on their way here, by request. */
  readonly #streams = new Map<number, Stream>();
  /** Of the snapshot that is on its way to workers that join. */
  #log: UpdateLog | undefined;
  #requests = 0;
  #committed = 0;
  #lastCommitMs: number;
  #pausedFor: string | undefined;
  #failure: Error | undefined;
  #deciding: { again: boolean } | undefined;
  /** Who waits for something to be true; looked at after everything that happens. */
  readonly #waiting = new Set<{ holds: () => boolean; resolve: () => void; reject: (error: Error) => void }>();
  /** Of all steps and workers so far. */
  readonly travelled = { workerSteps: 0, bytesUp: 0, bytesDown: 0 };

  constructor(options: TeamOptions) {
    this.#options = options;
    this.#lastCommitMs = options.nowMs();
  }

  // Who is here

  /** Takes in a worker that has built the model. If the run is under way, it catches up and takes part. */
  join(session: Session): void {
    const { name } = session.hello;
    const taken = [...this.#members.values()].some((member) => member.name === name);
    const member = new Member(session, taken ? `${name}-${session.workerId}` : name, this.#options.nowMs());
    this.#members.set(member.id, member);
    const { device, backend } = session.hello;
    this.#options.log(`${member.name} joined: ${device}, ${backend} (${this.#members.size} here)`);
    this.#after();
  }

  /** A worker's connection has ended. */
  lose(session: Session, reason: string): void {
    const member = this.#members.get(session.workerId);
    if (member !== undefined) this.#remove(member.id, `${member.name} was lost: ${reason}`);
  }

  /** Looks at the time: who is silent, late or stalled. To be called several times in a heartbeat. */
  tick(): void {
    this.#decide();
    this.#after();
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

  /** Resolves when `holds` says so, after whatever happens. Rejects when nobody is left who holds the weights. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ holds, resolve, reject });
      this.#after();
    });
  }

  /** The most updates that workers here still hold the weights of, if any hold those of this run. */
  get heldStep(): number | undefined {
    const steps = this.members.flatMap(({ session: { hello } }) =>
      hello.holds?.run === this.#options.runId ? [hello.holds.step] : [],
    );
    return steps.length === 0 ? undefined : Math.max(...steps);
  }

  /** Nobody is left who holds the weights: those who are here, and those who come, may begin again. */
  reset(): void {
    this.#begun = this.#round = this.#evaluation = this.#log = this.#failure = undefined;
    this.#given.clear();
    for (const member of this.members) member.state = "waiting";
  }

  // The run

  /** All who are here begin; those who come later catch up. */
  async begin({ plan, origin, sliceRows }: Beginning): Promise<void> {
    const { ready } = this.members[0]!.session;
    this.#committed = origin.from === "seed" ? 0 : origin.step;
    const { tensors, stateDict, numClasses } = ready;
    this.#begun = { plan, layout: makeLayout(tensors, plan), sliceRows, stateDict, numClasses };
    const holders = this.members.filter(({ session: { hello } }) => {
      if (origin.from !== "held") return true;
      return hello.holds?.run === this.#options.runId && hello.holds.step === origin.step;
    });
    const state = origin.from === "state" ? "follows" : origin.from;
    for (const member of holders) {
      member.state = "in";
      this.#start(member, state);
    }
    if (origin.from === "state") await this.#sendState(origin.tensors, holders);
    this.#lastCommitMs = this.#options.nowMs();
    this.#bringIn();
  }

  async step(task: StepTask, beforeCommit: (totals: StepTotals) => void): Promise<void> {
    this.#committed = task.step;
    this.#bringIn();
    const round = this.#beginRound(task);
    await this.until(() => round.complete);
    const now = this.#options.nowMs();
    const stepMs = now - this.#lastCommitMs;
    const workers = this.#shares(round, stepMs);
    beforeCommit({ ...round.totals(), ms: { step: stepMs }, slices: round.slices.length, workers });
    this.#lastCommitMs = now;
    this.#committed = task.step + 1;
    this.#dispatch([round.commit()]);
    this.#round = undefined;
    this.#given.clear();
    this.#bringIn();
  }

  async evaluate(
    task: Extract<Task, { type: "evaluate" }>,
    stopRequested: () => boolean = () => false,
  ): Promise<Evaluation | undefined> {
    const round = new EvaluationRound(task.samples, this.#begun!.numClasses, this.#requests);
    this.#requests += round.requests;
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
    const committed = this.#committed;
    const assemblies = stateDict.map(({ shape }) => {
      const elements = elementsOf(shape);
      return { weight: new PartAssembly(elements), velocity: new PartAssembly(elements) };
    });
    const source = this.#source();
    const whole = await this.#stream(source, async ({ tensor, kind, offset, data }) => {
      assemblies[tensor]![kind].add(offset, rawFloats(data));
    });
    if (!whole && this.#committed === committed) return this.state(); // another worker has it still
    if (!whole) throw new LockstepError("ERR_STATE_LOST", `${source.name} was lost before it had sent its state.`);
    return stateDict.map(({ name, shape }, index) => {
      const { weight, velocity } = assemblies[index]!;
      return { name, shape, weight: weight.values, velocity: velocity.values };
    });
  }

  /**
   * Compares digests of all replicas. On like devices they must be equal; where devices differ, so may rounding: then
   * the first worker's state is sent to the others.
   *
   * @throws LockstepError ERR_REPLICA that names the worker
   */
  async checkReplicas(): Promise<void> {
    const members = this.members.filter(({ state }) => state === "in");
    const digests = await this.#ask(members, (request) => ({ type: "digest", request }));
    const replicas = members.flatMap((member) => {
      const answer = digests.get(member.id);
      return answer?.type === "digest-result" ? [{ member, digest: answer.digest }] : [];
    });
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
      case "gradient-chunk":
        member.progressMs = this.#options.nowMs();
        this.#dispatch(this.#round?.onChunk(member.id, message) ?? []);
        break;
      case "contribution":
        this.#contributed(member, message);
        this.#dispatch(this.#round?.onContribution(member.id, message) ?? []);
        break;
      case "evaluation":
        this.#evaluated(member, message);
        break;
      case "state-chunk":
        this.#streams.get(message.request)?.take(member, message);
        break;
      case "state-end":
        this.#streams.get(message.request)?.end(member);
        break;
      case "leaving":
        if (member.state === "in") member.state = "leaving";
        else if (member.state !== "leaving") this.#release(member);
        break;
      case "synced":
      case "digest-result":
      case "loaded":
        this.#answers.set(`${member.id}/${message.type}`, message);
        break;
      default:
        throw new LockstepError("ERR_MESSAGE_ORDER", `A worker of a run does not say ${message.type}.`);
    }
    this.#after();
  }

  /** Answers that someone waits for: by worker and type, the last one. */
  readonly #answers = new Map<string, Message<"synced" | "digest-result" | "loaded">>();

  // Inside

  #beginRound(task: StepTask): StepRound {
    const { layout, sliceRows } = this.#begun!;
    const able = this.members.filter(({ state }) => state === "in");
    const weights = weightsOf(
      able.map(({ speed }) => speed),
      this.#options.balance,
    );
    const slices = planSlices(task.start, task.end, able.length > 0 ? weights : 1, sliceRows);
    const round = new StepRound(task, slices, layout);
    this.#round = round;
    this.#given.clear();
    const enough = able.length >= this.#options.minWorkers;
    for (const member of this.members.filter(({ follows }) => follows)) {
      const index = able.indexOf(member);
      const own = enough ? slices.filter(({ worker }) => worker === index).map(({ slice }) => slice) : [];
      this.#assign(member, own);
    }
    this.#log?.add(encode(round.assign(-1, []).message));
    this.#decide();
    return round;
  }

  #assign(member: Member, slices: number[]): void {
    const now = this.#options.nowMs();
    const outgoing = this.#round!.assign(member.id, slices);
    let queuedSamples = this.#openSamples(member);
    if (queuedSamples === 0) member.progressMs = now;
    for (const index of slices) {
      const slice = this.#round!.slices[index]!;
      const samples = samplesOf(slice);
      queuedSamples += samples;
      const given = { worker: member.id, samples, queuedSamples, sinceMs: now };
      this.#given.set(`${index}/${slice.attemptsMade - 1}`, given);
    }
    this.#dispatch([outgoing]);
  }

  #contributed(member: Member, { step, slice, attempt, ms }: Message<"contribution">): void {
    const now = this.#options.nowMs();
    member.progressMs = now;
    const key = `${slice}/${attempt}`;
    const given = step === this.#round?.task.step ? this.#given.get(key) : undefined;
    if (given?.worker !== member.id) return;
    this.#given.delete(key);
    const computeMs = (ms["data"] ?? 0) + (ms["forward"] ?? 0) + (ms["backward"] ?? 0);
    member.measure(given.samples, { tookMs: now - Math.max(given.sinceMs, member.contributedMs), computeMs });
    member.contributedMs = now;
  }

  #evaluated(member: Member, message: Message<"evaluation">): void {
    member.progressMs = this.#options.nowMs();
    if (this.#evaluation === undefined) return; // it was stopped
    if (this.#evaluation.round.take(member.id, message)) return;
    this.#strike(member, "an evaluation that was not asked for, or is not of all its samples");
  }

  #giveRanges(): void {
    const { task, round } = this.#evaluation!;
    const able = this.members.filter(({ state }) => state === "in");
    const enough = able.length >= this.#options.minWorkers;
    this.#pause(enough ? undefined : `${able.length} of at least ${this.#options.minWorkers} workers are here`);
    if (!enough) return;
    for (const member of able) {
      if (round.openSamples(member.id) === 0) member.progressMs = this.#options.nowMs();
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
      const decisions = this.#decisions();
      for (const decision of decisions) this.#carryOut(decision);
      if (this.#round !== undefined && decisions.every(({ type }) => type !== "pause")) this.#pause(undefined);
    } while (this.#deciding.again);
    this.#deciding = undefined;
  }

  #decisions(): Decision[] {
    const { nowMs, ...limits } = this.#options;
    const openSlices = (this.#round?.slices ?? []).filter((slice) => doneAttempt(slice) === undefined);
    const slowest = Math.max(0, ...this.members.map(({ msPerSample }) => msPerSample ?? 0));
    const view = {
      workers: this.members.map((member) => ({
        id: member.id,
        heardMs: member.session.heardMs,
        progressMs: member.progressMs,
        openSamples: this.#openSamples(member),
        msPerSample: member.msPerSample,
        takesSlices: member.state === "in",
      })),
      openSlices: openSlices.map((slice) => ({
        slice: slice.slice,
        samples: samplesOf(slice),
        attempts: [...slice.attempts.values()].map(({ attempt, worker }) => {
          const { sinceMs, queuedSamples } = this.#given.get(`${slice.slice}/${attempt}`)!;
          const msPerSample = this.#members.get(worker)?.msPerSample ?? slowest;
          return { worker, sinceMs, expectedMs: msPerSample === 0 ? undefined : msPerSample * queuedSamples };
        }),
        notFor: slice.notFor,
      })),
    };
    return decide(nowMs(), view, limits);
  }

  #carryOut(decision: Decision): void {
    const { log } = this.#options;
    switch (decision.type) {
      case "drop": {
        const member = this.#members.get(decision.worker)!;
        member.session.close(decision.code, decision.reason);
        this.#remove(member.id, `${member.name} was dropped: ${decision.reason}`);
        return;
      }
      case "assign": {
        const member = this.#members.get(decision.worker);
        if (member === undefined) return; // dropped by the decision before this one
        log(`slice ${decision.slice} of step ${this.#round!.task.step} goes to ${member.name}: ${decision.reason}`);
        this.#assign(member, [decision.slice]);
        return;
      }
      case "diverged":
        this.#round?.giveUp();
        return;
      case "pause":
        this.#pause(decision.reason);
    }
  }

  /** Says it when the run begins to pause, and when it goes on. */
  #pause(reason: string | undefined): void {
    if ((reason === undefined) !== (this.#pausedFor === undefined)) {
      this.#options.log(reason === undefined ? "the run goes on" : `the run pauses: ${reason}; start more workers`);
    }
    this.#pausedFor = reason;
  }

  #openSamples({ id }: Member): number {
    const slices = [...this.#given.values()].filter(({ worker }) => worker === id);
    const inSlices = slices.reduce((total, { samples }) => total + samples, 0);
    return inSlices + (this.#evaluation?.round.openSamples(id) ?? 0);
  }

  /** A contribution of a worker's was refused; the third one is the last. */
  #strike(member: Member, reason: string): void {
    member.strikes++;
    this.#options.log(`a contribution of ${member.name} was refused: ${reason}`);
    if (member.strikes < MAX_STRIKES) return;
    const text = `${MAX_STRIKES} of its contributions were refused, the last one for: ${reason}`;
    member.session.close("ERR_STRIKES", text);
    this.#remove(member.id, `${member.name} was dropped: ${text}`);
  }

  #remove(id: number, line: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#members.delete(id);
    this.#options.log(`${line} (${this.#members.size} here)`);
    this.#evaluation?.round.lose(id);
    for (const [key, { worker }] of this.#given) if (worker === id) this.#given.delete(key);
    for (const stream of this.#streams.values()) stream.lose(member);
    this.#dispatch(this.#round?.lose(id) ?? []);
    if (this.#begun !== undefined && !this.members.some(({ follows }) => follows)) {
      this.#failure = new LockstepError("ERR_ALL_LOST", "No worker is left that holds the weights.");
    }
    this.#decide();
    this.#after();
  }

  /** A worker that has asked to leave, and owes nothing, is let go. */
  #release(member: Member): void {
    member.send({ type: "finished" });
    this.#remove(member.id, `${member.name} left`);
  }

  /** Lets everyone who waits look at what is now. */
  #after(): void {
    const isSource = (member: Member) => [...this.#streams.values()].some(({ source }) => source === member);
    for (const member of this.members) {
      if (member.state === "leaving" && this.#openSamples(member) === 0 && !isSource(member)) this.#release(member);
    }
    for (const waiter of this.#waiting) {
      if (this.#failure === undefined && !waiter.holds()) continue;
      this.#waiting.delete(waiter);
      if (this.#failure === undefined) waiter.resolve();
      else waiter.reject(this.#failure);
    }
  }

  // Joining

  /** Between steps: workers that wait get a snapshot, and then the updates since. */
  #bringIn(): void {
    const joining = this.members.filter(({ state }) => state === "waiting");
    if (joining.length === 0 || this.#log !== undefined || this.#round !== undefined) return;
    const log = new UpdateLog(this.#options.maxLogBytes);
    this.#log = log;
    for (const member of joining) {
      member.state = "loading";
      this.#start(member, "follows");
    }
    void this.#catchUp(joining, log);
  }

  async #catchUp(joining: Member[], log: UpdateLog): Promise<void> {
    const step = this.#committed;
    const source = this.#source();
    const here = () => joining.filter((member) => this.#members.get(member.id) === member);
    const whole = await this.#stream(source, async (piece) => {
      if (log.overflowed) return; // in vain
      await sendToAll(here(), { ...piece, type: "load-chunk" });
    });
    if (this.#log === log) this.#log = undefined;
    if (!whole || log.overflowed) {
      for (const member of here()) member.state = "waiting"; // until the next step begins
      if (log.overflowed) this.#options.log("a snapshot for a worker that joins came too late; a new one is taken");
      return;
    }
    const loadEnd = encode({ type: "load-end", step });
    for (const member of here()) {
      for (const bytes of [loadEnd, ...log.messages]) member.session.send(bytes);
      member.state = "replaying";
    }
    const answers = await this.#ask(here(), (request) => ({ type: "sync", request }));
    for (const member of here().filter(({ id }) => answers.has(id))) {
      member.state = "in";
      this.#options.log(`${member.name} has caught up, and takes slices`);
    }
    this.#decide();
    this.#after();
  }

  #start(member: Member, state: "seed" | "follows" | "held"): void {
    member.send({ type: "start", ...this.#begun!.plan, state });
  }

  /** Weights from a file, for all who begin. */
  async #sendState(tensors: readonly ParameterState[], members: Member[]): Promise<void> {
    for (const [tensor, { weight, velocity }] of tensors.entries()) {
      for (const [kind, values] of [
        ["weight", weight],
        ["velocity", velocity],
      ] as const) {
        for (const piece of chunksOf(values, CHUNK_BYTES)) {
          await sendToAll(members, { type: "load-chunk", tensor, kind, ...piece });
        }
      }
    }
    for (const member of members) member.send({ type: "load-end", step: this.#committed });
  }

  /** Whose state is read: that of the fastest worker, to which it costs least. */
  #source(): Member {
    const holders = this.members.filter(({ state }) => state === "in" || state === "leaving");
    const source = holders.sort((a, b) => (b.speed ?? 0) - (a.speed ?? 0))[0];
    if (source === undefined) throw this.#failure ?? new LockstepError("ERR_ALL_LOST", "No worker holds the weights.");
    return source;
  }

  /**
   * Has a worker send its state as it is now. The next pieces are asked for as `onPiece` resolves.
   *
   * @returns whether all of it came, before the worker was lost
   */
  #stream(source: Member, onPiece: (piece: StatePieceMessage) => Promise<void>): Promise<boolean> {
    const request = this.#requests++;
    const { stateDict } = this.#begun!;
    return new Promise((resolve) => {
      const end = (whole: boolean) => {
        this.#streams.delete(request);
        resolve(whole);
      };
      this.#streams.set(request, {
        source,
        take: (member, { type: _, request: __, ...piece }) => {
          checkPiece(stateDict, piece);
          if (member === source) void onPiece(piece).then(() => source.send({ type: "state-ack", request }));
        },
        end: (member) => member === source && end(true),
        lose: (member) => member === source && end(false),
      });
      source.send({ type: "send-state", request, window: STATE_WINDOW });
    });
  }

  /** Asks workers, and waits until each has answered or is gone. */
  async #ask(
    members: Member[],
    question: (request: number) => Extract<CoordinatorMessage, { type: "sync" | "digest" }>,
  ): Promise<Map<number, Message<"synced" | "digest-result">>> {
    const request = this.#requests++;
    const answers = new Map<number, Message<"synced" | "digest-result">>();
    for (const member of members) member.send(question(request));
    await this.until(() => {
      for (const { id } of members) {
        for (const type of ["synced", "digest-result"] as const) {
          const answer = this.#answers.get(`${id}/${type}`);
          if (answer === undefined || answer.type === "loaded" || answer.request !== request) continue;
          answers.set(id, answer);
        }
      }
      return members.every(({ id }) => answers.has(id) || !this.#members.has(id));
    });
    return answers;
  }

  /** Sends the state of one worker to others that have drifted away from it. */
  async #mend(source: Member, drifted: Member[]): Promise<void> {
    for (const { id } of drifted) this.#answers.delete(`${id}/loaded`);
    const whole = await this.#stream(source, (piece) => sendToAll(drifted, { ...piece, type: "load-chunk" }));
    if (!whole) return; // the next epoch's check will find them
    for (const member of drifted) member.send({ type: "load-end", step: this.#committed });
    const answerOf = ({ id }: Member) => this.#answers.get(`${id}/loaded`);
    await this.until(() => drifted.every((member) => answerOf(member) !== undefined || !this.#members.has(member.id)));
    for (const member of drifted) {
      const answer = answerOf(member);
      if (answer?.type !== "loaded") continue;
      const by = answer.largestDifference.toExponential(1);
      this.#options.log(
        `${member.name} had drifted from ${source.name} by up to ${by}, as other devices round; mended`,
      );
    }
  }

  // Telling

  /** Sends what a round says. What is the same for all is encoded once. */
  #dispatch(outgoing: readonly Outgoing[]): void {
    for (const { to, except, message } of outgoing) {
      const bytes = encode(message);
      if (to === "all") this.#log?.add(bytes);
      for (const member of this.members) {
        const isFor = to === "all" ? member.follows && member.id !== except : member.id === to;
        if (isFor) this.#sendBounded(member, bytes);
      }
      if (message.type !== "rejected") continue;
      const member = this.#members.get(to as number);
      this.#given.delete(`${message.slice}/${message.attempt}`);
      if (member !== undefined) this.#strike(member, message.reason);
      this.#decide();
    }
  }

  /** A worker that does not read is dropped before it fills the memory. */
  #sendBounded(member: Member, bytes: Buffer): void {
    member.session.send(bytes);
    if (member.state === "replaying" || member.session.waitingBytes <= MAX_WAITING_BYTES) return;
    const text = `${Math.round(member.session.waitingBytes / 1e6)} MB wait for it: it does not read`;
    member.session.close("ERR_SLOW_READER", text);
    this.#remove(member.id, `${member.name} was dropped: ${text}`);
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
        };
        this.travelled.workerSteps++;
        this.travelled.bytesUp += session.bytesUp;
        this.travelled.bytesDown += session.bytesDown;
        session.bytesUp = session.bytesDown = 0;
        return share;
      });
  }
}

type StateSpec = { name: string; shape: number[] };
type StatePieceMessage = Omit<Message<"state-chunk">, "type" | "request">;
interface Stream {
  source: Member;
  take(member: Member, message: Message<"state-chunk">): void;
  end(member: Member): void;
  lose(member: Member): void;
}

/** @throws LockstepError ERR_CHUNK for a piece that lies in no tensor */
function checkPiece(stateDict: readonly StateSpec[], { tensor, offset, data }: StatePieceMessage): void {
  const spec = stateDict[tensor];
  if (spec !== undefined && data.length % 4 === 0 && offset + data.length / 4 <= elementsOf(spec.shape)) return;
  throw new LockstepError("ERR_CHUNK", `${data.length} bytes at ${offset} lie in no tensor number ${tensor}.`);
}

/** Encoded once, and paced by those who read it. */
async function sendToAll(members: readonly Member[], message: CoordinatorMessage): Promise<void> {
  const bytes = encode(message);
  for (const { session } of members) session.send(bytes);
  await Promise.all(members.map(({ session }) => session.drained()));
}

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
