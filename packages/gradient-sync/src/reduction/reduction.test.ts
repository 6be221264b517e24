/** Both ends of the reduction: what clients put on the wire comes back to each of them as the sum. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeFromWorker, encode } from "../protocol/codec.ts";
import { toStep } from "../protocol/ids.ts";
import { type DrawnGradients, drawnGradients, nearestBf16, plainStep, sum } from "../testing/drawn-gradients.ts";
import { PlainRound } from "../testing/plain-round.ts";
import { ReductionClient } from "../testing/reduction-client.ts";
import { assignedSubtrees } from "./assigned-subtrees.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { Outgoing } from "./outgoing.ts";
import type { SubtreeAttempts } from "./subtree-attempts.ts";

/** Shared by all steps here, so that a message built from a released buffer shows. */
const pool = new BufferPool();
const STEP = toStep(3);
/** A client keeps the factors of so many attempts at a subtree, also of those that came to nothing. */
const MOST_ATTEMPTS = 7;

type Action = () => void;

/** A server, its clients, and the bytes that are on their way between them. */
class Reduction {
  readonly gradients: DrawnGradients;
  readonly round: PlainRound;
  clients: ReductionClient[];

  constructor(gradients: DrawnGradients, clients: number, packing: boolean) {
    const { layout, subtreeSamples, sliceSamples, subtreeSlices } = gradients;
    const subtrees = assignedSubtrees({ start: 0, sliceSamples, subtreeSlices });
    const task = { epoch: 0, step: STEP, start: 0, end: sum(subtreeSamples), learningRate: 0.1 };
    this.gradients = gradients;
    this.round = new PlainRound(task, subtrees, layout, { packing, pool });
    this.clients = Array.from({ length: clients }, (_, id) => new ReductionClient(id, gradients));
    for (const { id } of this.clients) {
      const own = [...subtrees.keys()].filter((subtree) => subtree % clients === id);
      this.#send([this.round.assign(id, own)]);
    }
  }

  /** Messages that may arrive next, at either end. */
  get arrivals(): Action[] {
    return this.clients.flatMap((client) => [
      ...(client.inbox.length > 0 ? [() => client.receive()] : []),
      ...(client.outbox.length > 0 ? [() => this.#receive(client)] : []),
    ]);
  }

  /** Subtrees that so many try at once, and that another client may try too. */
  retries(live: number): Action[] {
    const isOpen = ({ attempts, attemptsMade }: SubtreeAttempts) =>
      attempts.size === live &&
      attemptsMade < MOST_ATTEMPTS &&
      [...attempts.values()].every(({ contribution }) => contribution === undefined);
    return this.round.subtrees.filter(isOpen).flatMap(({ id: subtree, attempts }) =>
      this.clients
        .filter(({ id }) => [...attempts.values()].every(({ worker }) => worker !== id))
        .map(
          ({ id }) =>
            () =>
              this.#send([this.round.assign(id, [subtree])]),
        ),
    );
  }

  /** Faults: any client but the first is lost, or sends what is not finite. */
  get faults(): Action[] {
    return this.clients
      .slice(1)
      .flatMap((client) => [() => this.#disconnect(client), () => client.corruptNext(decodeFromWorker)]);
  }

  /** Lets everything arrive, and has the first client compute what nobody does. @returns the attempts of the commit */
  finish(): number[] {
    for (let next: Action | undefined; ; next()) {
      next = this.arrivals[0] ?? this.#recompute();
      if (next === undefined) break;
    }
    expect([this.round.complete, this.round.bufferedBytes]).toEqual([true, 0]);
    const { message } = this.round.commit();
    if (message.type !== "commit") throw new Error(`Expected a commit, got ${message.type}.`);
    return message.attempts;
  }

  #recompute(): Action | undefined {
    const open = this.round.subtrees.find(({ attempts }) => attempts.size === 0);
    return open && (() => this.#send([this.round.assign(0, [open.id])]));
  }

  #disconnect(client: ReductionClient): void {
    this.clients = this.clients.filter((other) => other !== client);
    this.#send(this.round.removeWorker(client.id));
  }

  #receive({ id, outbox }: ReductionClient): void {
    const bytes = outbox.shift();
    if (bytes === undefined) return;
    const message = decodeFromWorker(bytes);
    if (message.type === "gradient-chunk") this.#send(this.round.onChunk(id, message));
    if (message.type === "contribution") this.#send(this.round.onContribution(id, message));
  }

  #send(outgoing: readonly Outgoing[]): void {
    for (const { to, except, message } of outgoing) {
      const bytes = encode(message);
      const receivers = this.clients.filter(({ id }) => (to === "all" ? id !== except : id === to));
      for (const { inbox } of receivers) inbox.push(bytes);
    }
  }
}

const bitsOf = (parts: readonly Float32Array[]) =>
  parts.map((values) => [...new Uint32Array(values.slice().buffer)].map((word) => word.toString(16)));

/** Asserts that every client has, to the bit, the step that these attempts plainly add up to. */
function assertPlainStep({ gradients, clients }: Reduction, attempts: readonly number[]): void {
  const expected = bitsOf(plainStep(gradients, attempts));
  for (const { assembly } of clients) {
    const part = assembly.complete(STEP, attempts);
    expect(bitsOf(gradients.layout.rowElements.map((_, index) => part(index)))).toEqual(expected);
  }
}

test("every client gets bit-identical sums in slice order and all factors, for any order of messages", () => {
  fc.assert(
    fc.property(
      drawnGradients,
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      fc.array(fc.nat(), { maxLength: 100 }),
      (gradients, clients, packing, choices) => {
        const reduction = new Reduction(gradients, clients, packing);
        for (const choice of choices) {
          const { arrivals } = reduction;
          arrivals[choice % arrivals.length]?.();
        }
        const attempts = reduction.finish();
        expect(attempts).toEqual(gradients.subtreeSamples.map(() => 0));
        assertPlainStep(reduction, attempts);
      },
    ),
    { numRuns: 150 },
  );
});

test("every client gets bit-identical sums and factors despite retries, lost clients and non-finite numbers", () => {
  fc.assert(
    fc.property(
      drawnGradients,
      fc.integer({ min: 2, max: 4 }),
      fc.boolean(),
      fc.array(fc.nat(), { maxLength: 150 }),
      (gradients, clients, packing, choices) => {
        const reduction = new Reduction(gradients, clients, packing);
        for (const choice of choices) {
          const { arrivals } = reduction;
          const rare = [reduction.retries(0), reduction.retries(1), reduction.retries(2), reduction.faults].flat();
          const actions = [...arrivals, ...arrivals, ...arrivals, ...rare];
          actions[choice % actions.length]?.();
        }
        assertPlainStep(reduction, reduction.finish());
      },
    ),
    { numRuns: 150 },
  );
});

test("bf16 is rounded to the nearest, ties to even, as worked by hand", () => {
  const halfway = 1 + 2 ** -8; // between 1 and 1 + 2⁻⁷
  expect([halfway, halfway + 2 ** -20, 1 + 3 * 2 ** -8, -halfway, 0].map(nearestBf16)).toEqual([
    1,
    1 + 2 ** -7,
    1 + 2 ** -6,
    -1,
    0,
  ]);
});
