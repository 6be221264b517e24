/**
 * For tests: workers in simulated time. Their network delays and drops messages, and reorders those of different
 * workers. They speak the protocol, and compute a net so small that thousands of steps take a second.
 */

import { at, defined } from "@lockstep/errors";
import {
  decodeFromCoordinator,
  decodeFromWorker,
  encode,
  type Step,
  type SubtreeId,
  toWorkerId,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { uniforms } from "@lockstep/random";
import type { MessageHandler } from "../connections/admission-control.ts";
import type { ReadySession } from "../connections/ready-session.ts";
import type { RemoteTeam } from "../team/remote-team.ts";
import { HELLO, READY } from "./toy-model.ts";
import { type SubtreeTask, ToyWorker } from "./toy-worker.ts";

/** Returns a function that draws uniform numbers in [0, 1), which depend only on the seed. */
export function philoxRandom(seed: number): () => number {
  let drawn = 0;
  return () => at(uniforms(seed, "shapes", [drawn++, 0, 0], 1), 0);
}

/** A queue of events in simulated milliseconds. */
export class Clock {
  nowMs = 0;
  #events: { atMs: number; order: number; happen: () => void }[] = [];
  #made = 0;

  after(delayMs: number, happen: () => void): void {
    this.#events.push({ atMs: this.nowMs + delayMs, order: this.#made++, happen });
  }

  /** Runs the next event, and the promise callbacks that it triggers. @returns false if the queue is empty */
  async next(): Promise<boolean> {
    if (this.#events.length === 0) return false;
    const first = this.#events.reduce((a, b) => (b.atMs < a.atMs || (b.atMs === a.atMs && b.order < a.order) ? b : a));
    this.#events.splice(this.#events.indexOf(first), 1);
    this.nowMs = first.atMs;
    first.happen();
    await new Promise(setImmediate); // runs pending promise callbacks
    return true;
  }
}

/** Counts the committed steps that contained each sample, as the workers report them. */
export class Ledger {
  readonly epochs: number[][] = [];
  /** Number of samples of each subtree, by committed step. */
  readonly subtrees: number[][] = [];
  readonly #samples: number;
  readonly #computed = new Map<string, [start: number, end: number]>();
  readonly #committed = new Set<Step>();

  constructor(samples: number) {
    this.#samples = samples;
  }

  computed(step: Step, subtree: SubtreeId, attempt: number, range: [start: number, end: number]): void {
    this.#computed.set(`${step}/${subtree}/${attempt}`, range);
  }

  committed(step: Step, epoch: number, attempts: readonly number[]): void {
    if (this.#committed.has(step)) return; // another worker has reported it
    this.#committed.add(step);
    const counts = this.epochs[epoch] ?? new Array<number>(this.#samples).fill(0);
    this.epochs[epoch] = counts;
    const ranges = attempts.map((attempt, subtree) =>
      defined(this.#computed.get(`${step}/${subtree}/${attempt}`), "an attempt"),
    );
    this.subtrees[step] = ranges.map(([start, end]) => end - start);
    for (const [start, end] of ranges) {
      for (let sample = start; sample < end; sample++) counts[sample] = at(counts, sample) + 1;
    }
  }
}

/** Settings of a simulated worker. */
export interface SimulatedOptions {
  /** Its worker id. */
  id: number;
  clock: Clock;
  team: RemoteTeam;
  runId: string;
  /** Draws uniform numbers in [0, 1). */
  random: () => number;
  ledger: Ledger;
  /** Its device; other backends round differently. @default the device of all other workers */
  device?: SimulatedDevice | undefined;
}

/** The backend of a simulated worker, and how it rounds. */
export interface SimulatedDevice {
  backend: string;
  /** Relative rounding error of each number that it computes. */
  rounding: number;
}

/** A toy worker in simulated time. */
export class SimulatedWorker extends ToyWorker {
  readonly session: ReadySession & { heardMs: number };
  readonly #options: SimulatedOptions;
  /** Simulated milliseconds per sample. */
  msPerSample = 10;
  /** Whether the network drops all messages, in both directions. */
  silent = false;
  /** Handles the worker's messages once it is admitted. */
  #handle: MessageHandler = () => {};
  /**
   * When the last message in each direction arrives; later ones arrive after it, since a connection keeps their order.
   */
  #arrivesMs = { up: 0, down: 0 };

  constructor(options: SimulatedOptions, holds?: { run: string; step: number }) {
    super();
    this.#options = options;
    const workerId = toWorkerId(options.id);
    const { backend = HELLO.backend, rounding = 0 } = options.device ?? {};
    this.rounding = rounding;
    this.session = {
      workerId,
      hello: { ...HELLO, name: `w${workerId}`, backend, holds },
      ready: READY,
      address: "192.0.2.1",
      connectedMs: options.clock.nowMs,
      heardMs: options.clock.nowMs,
      bytesUp: 0,
      bytesDown: 0,
      waitingBytes: 0,
      send: (bytes: Buffer) => this.#deliver("down", () => this.receive(decodeFromCoordinator(bytes))),
      drained: async () => {},
      close: () => this.die(0),
    };
    this.#beat();
  }

  /** Joins the team, as a worker does when it has built the model. */
  join(): void {
    this.#handle = this.#options.team.join(this.session);
  }

  /**
   * Disconnects now. The coordinator notices after `noticeMs`; if that is undefined, only by the missing heartbeats.
   */
  die(noticeMs: number | undefined): void {
    if (this.dead) return;
    this.dead = true;
    if (noticeMs !== undefined)
      this.#options.clock.after(noticeMs, () => this.#options.team.disconnect(this.session, "its connection closed"));
  }

  protected send(message: WorkerMessage): void {
    const bytes = encode(message);
    this.#deliver("up", () => {
      this.session.heardMs = this.#options.clock.nowMs;
      const heard = decodeFromWorker(bytes);
      if (heard.type !== "heartbeat") this.#handle(heard);
    });
  }

  protected compute(samples: number, then: () => void): void {
    this.#options.clock.after(this.msToCompute(samples), then);
  }

  protected override msToCompute(samples: number): number {
    return samples * this.msPerSample;
  }

  protected leftAlone(): void {
    this.die(undefined);
  }

  protected override computed(step: Step, { subtree, attempt, start, end }: SubtreeTask): void {
    this.#options.ledger.computed(step, subtree, attempt, [start, end]);
  }

  protected override committed(step: Step, epoch: number, attempts: readonly number[]): void {
    this.#options.ledger.committed(step, epoch, attempts);
  }

  #beat(): void {
    this.#options.clock.after(250, () => {
      if (this.dead) return;
      this.send({ type: "heartbeat" });
      this.#beat();
    });
  }

  #deliver(direction: "up" | "down", arrive: () => void): void {
    if (this.dead || this.silent) return;
    const { clock, random } = this.#options;
    this.#arrivesMs[direction] = Math.max(this.#arrivesMs[direction], clock.nowMs + 20 * random());
    clock.after(this.#arrivesMs[direction] - clock.nowMs, () => {
      if (!this.dead && !this.silent) arrive();
    });
  }
}
