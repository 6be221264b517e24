/** A team of workers behind sockets. */
import { LockstepError } from "@lockstep/errors";
import {
  CHUNK_BYTES,
  type CoordinatorMessage,
  chunksOf,
  decodeFloats,
  encode,
  type GradientForm,
  type Layout,
  makeLayout,
  PartAssembly,
  type Wire,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import {
  addEvaluation,
  type Evaluation,
  emptyEvaluation,
  type ParameterState,
  planSlices,
  type StepTask,
  type StepTotals,
  shares,
  type Task,
  type Team,
} from "@lockstep/run";
import { type Balance, smoothed, weightsOf } from "./balance.ts";
import type { Session } from "./sessions.ts";

import { StepRound } from "./step-round.ts";

export interface RemoteTeamOptions {
  sessions: readonly Session[];
  forms: GradientForm[];
  wire: Wire;
  sliceRows?: number | undefined;
  balance: Balance;
  /** Weights and momentum to begin with; absent, every worker draws the weights from the seed. */
  state?: readonly ParameterState[] | undefined;
  nowMs?: () => number;
}

/** Samples that a worker evaluates at once. */
const EVALUATION_ROWS = 64;

export class RemoteTeam implements Team {
  readonly #sessions: readonly Session[];
  readonly #layout: Layout;
  readonly #options: RemoteTeamOptions;
  readonly #nowMs: () => number;
  /** Of each worker, in samples a millisecond; undefined before its first slice. */
  readonly #speeds: (number | undefined)[];
  #requests = 0;
  #lastCommitMs: number;
  /** Who waits for the next message that concerns it; rejected when a worker is lost. */
  #waiting: { take(session: Session, message: WorkerMessage): boolean; reject(error: Error): void } | undefined;
  #lost: Error | undefined;
  /** The last state asked for: what is asked for next waits until it is here. */
  #stateHere: Promise<unknown> = Promise.resolve();

  constructor(options: RemoteTeamOptions) {
    const { sessions, forms, wire, state } = options;
    this.#options = options;
    this.#sessions = sessions;
    this.#speeds = sessions.map(() => undefined);
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#lastCommitMs = this.#nowMs();
    this.#layout = makeLayout(sessions[0]!.ready.tensors, forms);
    this.#broadcast({ type: "start", forms, wire, stateFollows: state !== undefined });
    if (state === undefined) return;
    for (const [tensor, { weight, velocity }] of state.entries()) {
      for (const [kind, values] of [
        ["weight", weight],
        ["velocity", velocity],
      ] as const) {
        for (const chunk of chunksOf(values, "fp32", CHUNK_BYTES))
          this.#broadcast({ type: "load-chunk", tensor, kind, ...chunk });
      }
    }
    this.#broadcast({ type: "load-end" });
  }

  async step(
    { step, epoch, start, end, learningRate }: StepTask,
    beforeCommit: (totals: StepTotals) => void,
  ): Promise<void> {
    await this.#stateHere;
    const slices = planSlices(start, end, weightsOf(this.#speeds, this.#options.balance), this.#options.sliceRows);
    const round = new StepRound(step, slices, this.#layout, this.#options.wire);
    const sliceSamples = slices.map((slice) => slice.end - slice.start);
    const done = this.#wait((session, message) => {
      const worker = this.#sessions.indexOf(session);
      if (message.type === "gradient-chunk") {
        const outgoing = round.onChunk(worker, message);
        if (outgoing !== undefined) this.#broadcast(outgoing.message, outgoing.exceptWorker);
        return false;
      }
      return message.type === "contribution" && round.onContribution(worker, message);
    });
    for (const [worker, session] of this.#sessions.entries()) {
      const own = slices
        .filter((slice) => slice.worker === worker)
        .map((slice) => ({ slice: slice.slice, attempt: 0, start: slice.start, end: slice.end }));
      session.send(encode({ type: "assign", step, epoch, learningRate, slices: own, sliceSamples }));
    }
    await done; // every slice's contribution
    const totals = round.totals();
    const workers = this.#sessions.map((session, worker) => ({
      name: session.hello.name,
      samples: slices
        .filter((slice) => slice.worker === worker)
        .reduce((sum, slice) => sum + slice.end - slice.start, 0),
      bytesUp: takeBytes(session, "bytesUp"),
      bytesDown: takeBytes(session, "bytesDown"),
      ms: round.msOf(worker),
      io: {},
    }));
    for (const [worker, { samples, ms }] of workers.entries()) {
      const computeMs = (ms["data"] ?? 0) + (ms["forward"] ?? 0) + (ms["backward"] ?? 0);
      if (samples > 0 && computeMs > 0) this.#speeds[worker] = smoothed(this.#speeds[worker], samples / computeMs);
    }
    const now = this.#nowMs();
    this.travelled.steps++;
    for (const { bytesUp, bytesDown } of workers) {
      this.travelled.bytesUp += bytesUp;
      this.travelled.bytesDown += bytesDown;
    }
    beforeCommit({ ...totals, ms: { step: now - this.#lastCommitMs }, slices: slices.length, workers });
    this.#lastCommitMs = now;
    this.#broadcast({ type: "commit", step, ...totals });
  }

  async evaluate({ part, samples }: Extract<Task, { type: "evaluate" }>): Promise<Evaluation> {
    await this.#stateHere;
    const total = emptyEvaluation(this.#sessions[0]!.ready.numClasses);
    const first = this.#requests;
    let open = 0;
    const done = this.#wait((_, message) => {
      if (message.type !== "evaluation" || message.request < first) return false;
      addEvaluation(total, message);
      return --open === 0;
    });
    for (const [worker, [from, to]] of shares(samples, this.#sessions.length).entries()) {
      for (let start = from; start < to; start += EVALUATION_ROWS) {
        open++;
        const end = Math.min(start + EVALUATION_ROWS, to);
        this.#sessions[worker]!.send(encode({ type: "evaluate", request: this.#requests++, part, start, end }));
      }
    }
    await done; // the sums of every shard
    this.#lastCommitMs = this.#nowMs();
    return total;
  }

  state(): Promise<ParameterState[]> {
    const state = this.#receiveState();
    this.#stateHere = state;
    return state;
  }

  async #receiveState(): Promise<ParameterState[]> {
    const request = this.#requests++;
    const specs = this.#sessions[0]!.ready.stateDict;
    const assemblies = specs.map(({ shape }) => {
      const elements = shape.reduce((product, length) => product * length, 1);
      return { weight: new PartAssembly(elements), velocity: new PartAssembly(elements) };
    });
    const done = this.#wait((_, message) => {
      if (message.type === "state-chunk" && message.request === request) {
        assemblies[message.tensor]![message.kind].add(message.offset, decodeFloats(message.data, "fp32"));
      }
      return message.type === "state-end" && message.request === request;
    });
    this.#sessions[0]!.send(encode({ type: "send-state", request }));
    await done; // all chunks of the first worker's state
    this.#lastCommitMs = this.#nowMs();
    return specs.map(({ name, shape }, index) => {
      const { weight, velocity } = assemblies[index]!;
      return { name, shape, weight: weight.values, velocity: velocity.values };
    });
  }

  /** Bytes of all steps so far, of all workers together. */
  readonly travelled = { steps: 0, bytesUp: 0, bytesDown: 0 };

  finish(): void {
    this.#broadcast({ type: "finished" });
  }

  /** A message of a worker, from its session. */
  take(session: Session, message: WorkerMessage): void {
    this.#waiting?.take(session, message);
  }

  lose(session: Session, reason: string): void {
    this.#lost = new LockstepError(
      "ERR_WORKER_LOST",
      `Worker ${session.hello.name} was lost: ${reason}. Start the run again with --resume; this version does not go on without it.`,
    );
    this.#waiting?.reject(this.#lost);
  }

  /** Resolves when `isLast` says so of a message. */
  #wait(isLast: (session: Session, message: WorkerMessage) => boolean): Promise<void> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise<void>((resolve, reject) => {
      this.#waiting = {
        reject,
        take: (session, message) => {
          if (!isLast(session, message)) return false;
          this.#waiting = undefined;
          resolve();
          return true;
        },
      };
    });
  }

  /** What is the same for all is encoded once. */
  #broadcast(message: CoordinatorMessage, exceptWorker?: number): void {
    const bytes = encode(message);
    for (const [worker, session] of this.#sessions.entries()) if (worker !== exceptWorker) session.send(bytes);
  }
}

function takeBytes(session: Session, direction: "bytesUp" | "bytesDown"): number {
  const bytes = session[direction];
  session[direction] = 0;
  return bytes;
}
