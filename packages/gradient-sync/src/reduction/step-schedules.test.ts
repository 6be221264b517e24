/** Proves that all workers assemble the same step, for drawn schedules of delays, losses and repeated attempts. */
import { at } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sum } from "../testing/drawn-gradients.ts";
import { PlainRound } from "../testing/plain-round.ts";
import {
  type Chunk,
  chunksOf,
  contributionOf,
  layout,
  PARTS,
  partOf,
  receive,
  SAMPLES,
  STEP,
  stepOf,
  subtrees,
  task,
} from "../testing/three-subtrees.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { Outgoing } from "./outgoing.ts";
import { StepAssembly } from "./step-assembly.ts";
import type { StepRound } from "./step-round.ts";

/** Shared by all schedules, so that a message built from a released buffer shows. */
const pool = new BufferPool();

type WorkerOutput = Chunk | ReturnType<typeof contributionOf>;
type Action = () => void;

/** A worker that computes piece by piece and follows the protocol, with delays in both directions. */
class Worker {
  readonly id: number;
  readonly assembly = new StepAssembly(layout, SAMPLES);
  readonly inbox: Outgoing[] = [];
  readonly outbox: WorkerOutput[] = [];
  readonly #toDo: WorkerOutput[] = [];
  readonly #sent: Chunk[] = [];

  constructor(id: number) {
    this.id = id;
  }

  /** The actions that it may take next. */
  get actions(): Action[] {
    const actions: Action[] = [];
    if (this.inbox.length > 0) actions.push(() => this.#read(defined(this.inbox.shift())));
    if (this.#toDo.length > 0) actions.push(() => this.#compute(defined(this.#toDo.shift())));
    return actions;
  }

  #read(outgoing: Outgoing): void {
    receive(this.assembly, outgoing);
    const { message } = outgoing;
    if (message.type === "assign") {
      for (const { subtree, attempt } of message.attempts)
        this.#toDo.push(...chunksOf(subtree, attempt), contributionOf(subtree, attempt));
    }
    if (message.type === "withdrawn") {
      const isAgain = ({ subtree, attempt, part, offset }: Chunk) =>
        part === 0 && message.again.includes(offset) && (subtree !== message.subtree || attempt !== message.attempt);
      this.outbox.push(...this.#sent.filter(isAgain));
    }
  }

  #compute(next: WorkerOutput): void {
    this.outbox.push(next);
    if (next.type === "contribution") return;
    this.#sent.push(next);
    const { subtree, attempt, part, offset } = next;
    const values = partOf(subtree, attempt, part).slice(offset, offset + layout.chunkElements);
    if (part > 0) this.assembly.add({ subtree, attempt, part, offset, values });
  }
}

/** A round, its workers, one who only listens, as a worker that joins does, and what is on its way between them. */
class Network {
  readonly round = new PlainRound(task, subtrees, layout, { pool });
  readonly listener = new Worker(-1);
  workers = [0, 1, 2, 3].map((id) => new Worker(id));

  constructor() {
    for (const { id } of this.workers) this.#send([this.round.assign(id, id < subtrees.length ? [id] : [])]);
  }

  /** Somebody computes, reads, or is heard. */
  get work(): Action[] {
    const arrivals = this.workers
      .filter(({ outbox }) => outbox.length > 0)
      .map((worker) => () => this.#receive(worker));
    return [...arrivals, ...[...this.workers, this.listener].flatMap(({ actions }) => actions)];
  }

  /** A subtree that so many try goes to one more worker. */
  retries(tried: number): Action[] {
    const open = this.round.subtrees
      .map(({ id, attempts }) => ({ subtree: id, attempts: [...attempts.values()] }))
      .filter(({ attempts }) => attempts.length === tried && attempts.every(({ contribution }) => !contribution));
    return open.flatMap(({ subtree, attempts }) =>
      this.workers
        .filter(({ id }) => attempts.every(({ worker }) => worker !== id))
        .map(
          ({ id }) =>
            () =>
              this.#send([this.round.assign(id, [subtree])]),
        ),
    );
  }

  /** A worker is lost; the first never is. */
  get disconnects(): Action[] {
    return this.workers.slice(1).map((removed) => () => {
      this.workers = this.workers.filter((worker) => worker !== removed);
      this.#send(this.round.removeWorker(removed.id));
    });
  }

  #receive({ id, outbox }: Worker): void {
    const message = defined(outbox.shift());
    this.#send(
      message.type === "contribution" ? this.round.onContribution(id, message) : this.round.onChunk(id, message),
    );
  }

  #send(out: readonly Outgoing[]): void {
    for (const outgoing of out) {
      const { to, except } = outgoing;
      for (const worker of [...this.workers, this.listener]) {
        if (to === "all" ? worker.id !== except : worker.id === to) worker.inbox.push(outgoing);
      }
    }
  }
}

const bytesOf = (subtree: number, parts: number[]) => 4 * sum(parts.map((part) => partOf(subtree, 0, part).length));

/** A dense part for each subtree, and for each further attempt all that it sends. */
function mostBytes({ subtrees: all }: StepRound): number {
  const further = all.map(({ id, attempts }) => Math.max(0, attempts.size - 1) * bytesOf(id, PARTS));
  return sum(all.map(({ id }) => bytesOf(id, [0]))) + sum(further);
}

test("any schedule of sends, losses and up to three attempts ends with the committed step on all workers", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 250 }), (choices) => {
      const network = new Network();
      const { round, listener } = network;
      for (const choice of choices) {
        const actions = [
          network.work,
          network.work,
          network.retries(0),
          network.retries(1),
          network.retries(2),
          network.disconnects,
        ].flat();
        at(actions, choice % actions.length)();
        expect(round.bufferedBytes).toBeLessThanOrEqual(mostBytes(round));
      }
      for (let left = true; left; ) {
        const [next] = [...network.retries(0), ...network.work];
        next?.();
        left = next !== undefined;
      }
      expect(round.complete).toBe(true);
      expect(round.bufferedBytes).toBe(0);
      const { message } = round.commit();
      if (message.type !== "commit") throw new Error(`Expected a commit, got ${message.type}.`);
      for (const { assembly } of [...network.workers, listener]) {
        expect([0, 1, 2].map(assembly.complete(STEP, message.attempts))).toEqual(stepOf(message.attempts));
      }
    }),
    { numRuns: 150 },
  );
});
