/**
 * For tests: a team of workers in simulated time, on a network that delays, cuts and reorders between workers. The
 * workers speak the protocol, and compute a net so small that thousands of steps take a second.
 */
import {
  type CoordinatorMessage,
  chunkLength,
  chunkOffsets,
  decodeFloats,
  decodeFromCoordinator,
  decodeFromWorker,
  encode,
  encodeFloats,
  type Layout,
  makeLayout,
  partElements,
  StepAssembly,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { uniforms } from "@lockstep/random";
import type { Evaluation } from "@lockstep/run";
import type { RemoteTeam } from "./remote-team.ts";
import type { Session } from "./sessions.ts";

/** A kernel [2, 3], which travels as factors, and a bias [3], which does not. */
export const TENSORS = [
  { name: "kernel", shape: [2, 3], dtype: "float32" as const },
  { name: "bias", shape: [3], dtype: "float32" as const },
];
export const PLAN = { forms: ["factored" as const, "dense" as const], wire: "fp32" as const, chunkBytes: 8 };
const LAYOUT: Layout = makeLayout(TENSORS, PLAN);
const CLASSES = 3;

/** Uniform numbers from 0 to below 1, the same for the same seed. */
export function philoxRandom(seed: number): () => number {
  let drawn = 0;
  return () => uniforms(seed, "shapes", [drawn++, 0, 0], 1)[0]!;
}

/** What happens when, in simulated milliseconds. */
export class Clock {
  nowMs = 0;
  #events: { atMs: number; order: number; happen: () => void }[] = [];
  #made = 0;

  after(delayMs: number, happen: () => void): void {
    this.#events.push({ atMs: this.nowMs + delayMs, order: this.#made++, happen });
  }

  /** Lets the next thing happen, and all that follows from it at once. @returns false if nothing is to come */
  async next(): Promise<boolean> {
    if (this.#events.length === 0) return false;
    const first = this.#events.reduce((a, b) => (b.atMs < a.atMs || (b.atMs === a.atMs && b.order < a.order) ? b : a));
    this.#events.splice(this.#events.indexOf(first), 1);
    this.nowMs = first.atMs;
    first.happen();
    await new Promise(setImmediate); // promises that wait for it
    return true;
  }
}

/** How often each sample was in a committed step, told by the workers who computed it and who heard of the commit. */
export class Ledger {
  readonly epochs: number[][] = [];
  readonly #samples: number;
  readonly #computed = new Map<string, [start: number, end: number]>();
  readonly #committed = new Set<number>();

  constructor(samples: number) {
    this.#samples = samples;
  }

  computed(step: number, slice: number, attempt: number, range: [start: number, end: number]): void {
    this.#computed.set(`${step}/${slice}/${attempt}`, range);
  }

  committed(step: number, epoch: number, attempts: readonly number[]): void {
    if (this.#committed.has(step)) return; // another worker has told it
    this.#committed.add(step);
    this.epochs[epoch] ??= new Array<number>(this.#samples).fill(0);
    for (const [slice, attempt] of attempts.entries()) {
      const [start, end] = this.#computed.get(`${step}/${slice}/${attempt}`)!;
      for (let sample = start; sample < end; sample++) this.epochs[epoch]![sample]!++;
    }
  }
}

export interface SimulatedOptions {
  clock: Clock;
  team: RemoteTeam;
  runId: string;
  /** From 0 to below 1. */
  random: () => number;
  ledger: Ledger;
}

type Told<Type extends CoordinatorMessage["type"]> = Extract<CoordinatorMessage, { type: Type }>;

let workersMade = 0;

export class SimulatedWorker {
  readonly session: Session;
  readonly #options: SimulatedOptions;
  weights: Float32Array = Float32Array.from({ length: 9 }, (_, i) => (i - 4) / 8);
  velocity: Float32Array = new Float32Array(9);
  step = 0;
  /** Simulated milliseconds for a sample. */
  msPerSample = 10;
  /** Whether it computes; its heart beats all the same. */
  hangs = false;
  /** How many of its next contributions are not finite. */
  spoiled = 0;
  dead = false;
  /** Whether nothing gets through, in either direction. */
  silent = false;
  readonly #inbox: CoordinatorMessage[] = [];
  #busy = false;
  #assembly: { step: number; epoch: number; learningRate: number; assembly: StepAssembly } | undefined;
  #tasks: Told<"assign">["slices"] = [];
  #sent: { slice: number; attempt: number; dense: Float32Array }[] = [];
  #intake: { weight: Float32Array; velocity: Float32Array } | undefined;
  /** When the last message of each direction arrives: a connection keeps their order. */
  #arrivesMs = { up: 0, down: 0 };

  constructor(options: SimulatedOptions, holds?: { run: string; step: number }) {
    this.#options = options;
    const workerId = workersMade++;
    const { clock } = options;
    const ready = {
      tensors: TENSORS,
      stateDict: TENSORS.map(({ name, shape }) => ({ name, shape })),
      numClasses: CLASSES,
    };
    this.session = {
      workerId,
      hello: {
        name: `w${workerId}`,
        device: "d",
        backend: "sim",
        libraryVersion: "1",
        instructionSet: "x",
        threads: 1,
        holds,
      },
      ready,
      heardMs: clock.nowMs,
      bytesUp: 0,
      bytesDown: 0,
      waitingBytes: 0,
      send: (bytes: Buffer) => this.#deliver("down", () => this.#receive(decodeFromCoordinator(bytes))),
      drained: async () => {},
      close: () => this.die(0),
    } as unknown as Session;
    this.#beat();
  }

  /** Its connection ends now; the coordinator notices after `noticeMs`, or by its silence. */
  die(noticeMs: number | undefined): void {
    if (this.dead) return;
    this.dead = true;
    if (noticeMs !== undefined)
      this.#options.clock.after(noticeMs, () => this.#options.team.lose(this.session, "its connection closed"));
  }

  leave(): void {
    this.#say({ type: "leaving" });
  }

  #beat(): void {
    this.#options.clock.after(250, () => {
      if (this.dead) return;
      this.#say({ type: "heartbeat" });
      this.#beat();
    });
  }

  #say(message: WorkerMessage): void {
    const bytes = encode(message);
    this.#deliver("up", () => {
      this.session.heardMs = this.#options.clock.nowMs;
      const heard = decodeFromWorker(bytes);
      if (heard.type !== "heartbeat") this.#options.team.take(this.session, heard);
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

  #receive(message: CoordinatorMessage): void {
    this.#inbox.push(message);
    this.#work();
  }

  /** Computes, and takes in what has come, one thing after the other, as a computing thread does. */
  #work(): void {
    while (!this.#busy && !this.dead) {
      const task = this.#tasks[0];
      if (task === undefined) {
        const message = this.#inbox.shift();
        if (message === undefined) return;
        this.#obey(message);
      } else if (this.hangs) return;
      else {
        this.#tasks.shift();
        this.#busy = true;
        this.#options.clock.after((task.end - task.start) * this.msPerSample, () => {
          this.#busy = false;
          if (this.dead) return;
          this.#compute(task);
          this.#work();
        });
      }
    }
  }

  #obey(message: CoordinatorMessage): void {
    switch (message.type) {
      case "assign":
        if (this.#assembly?.step !== message.step) {
          this.#assembly = { ...message, assembly: new StepAssembly(LAYOUT, message.sliceSamples) };
          this.#sent = [];
        }
        this.#tasks.push(...message.slices);
        return;
      case "update-chunk": {
        const samples = message.part === 0 ? 0 : this.#assembly!.assembly.samplesOf(message.slice);
        const elements = chunkLength(LAYOUT, partElements(LAYOUT, message.part, samples), message.offset)!;
        this.#assembly!.assembly.add({ ...message, values: decodeFloats(message, elements, "fp32") });
        return;
      }
      case "withdrawn":
        this.#assembly!.assembly.withdraw(message);
        for (const { slice, attempt, dense } of this.#sent) {
          if (slice === message.slice && attempt === message.attempt) continue;
          for (const offset of message.again) this.#piece(slice, attempt, 0, offset, dense);
        }
        return;
      case "commit":
        this.#apply(message);
        return;
      case "evaluate":
        this.#say({ type: "evaluation", request: message.request, ...evaluationOf(this.weights, message) });
        return;
      case "send-state":
        this.#sendState(message.request);
        return;
      case "load-chunk": {
        this.#intake ??= { weight: new Float32Array(9), velocity: new Float32Array(9) };
        const values = new Float32Array(message.data.slice().buffer);
        this.#intake[message.kind].set(values, (message.tensor === 0 ? 0 : 6) + message.offset);
        return;
      }
      case "load-end":
        this.weights = this.#intake!.weight;
        this.velocity = this.#intake!.velocity;
        this.#intake = undefined;
        this.step = message.step;
        this.#say({ type: "loaded", largestDifference: 0 });
        return;
      case "sync":
        this.#say({ type: "synced" });
        return;
      case "digest": {
        const digest = Buffer.from(this.weights.buffer).toString("hex");
        this.#say({ type: "digest-result", step: this.step, digest });
        return;
      }
      case "finished":
        this.die(undefined);
        return;
    }
  }

  /** Gradients that depend on the weights, the sample and the step, so that any mistake shows in all later weights. */
  #compute({ slice, attempt, start, end }: Told<"assign">["slices"][number]): void {
    const { step, assembly } = this.#assembly!;
    const spoil = this.spoiled > 0 && this.spoiled-- > 0 ? Number.NaN : 1;
    const rows = Array.from({ length: end - start }, (_, row) => start + row);
    const inputs = Float32Array.from(rows.flatMap((sample) => [Math.sin(sample + this.step), Math.cos(sample)]));
    const deltas = Float32Array.from(
      rows.flatMap((sample) => [0, 1, 2].map((out) => this.weights[out]! + 0.1 * Math.sin(sample * (out + 1)))),
    );
    const dense = new Float32Array(3);
    for (const [index, delta] of deltas.entries()) dense[index % 3] = dense[index % 3]! + delta * spoil;
    for (const [part, values] of [
      [LAYOUT.places[0]!.form === "factored" ? LAYOUT.places[0]!.inputPart : 0, inputs],
      [LAYOUT.places[0]!.form === "factored" ? LAYOUT.places[0]!.deltaPart : 0, deltas],
    ] as const) {
      for (const offset of chunkOffsets(LAYOUT, values.length)) {
        const piece = values.slice(offset, offset + LAYOUT.chunkElements);
        assembly.add({ slice, attempt, part, offset, values: piece });
        this.#piece(slice, attempt, part, offset, values);
      }
    }
    for (const offset of chunkOffsets(LAYOUT, dense.length)) this.#piece(slice, attempt, 0, offset, dense);
    this.#sent.push({ slice, attempt, dense });
    this.#options.ledger.computed(step, slice, attempt, [start, end]);
    const label = { step, slice, attempt, samples: end - start };
    const lossSum = Math.abs(this.weights[0]!) * (end - start);
    this.#say({ type: "contribution", ...label, lossSum, correct: 0, ms: { forward: end - start }, io: {} });
  }

  #piece(slice: number, attempt: number, part: number, offset: number, values: Float32Array): void {
    const piece = encodeFloats(values.slice(offset, offset + LAYOUT.chunkElements), "fp32");
    this.#say({ type: "gradient-chunk", step: this.#assembly!.step, slice, attempt, part, offset, ...piece });
  }

  #apply({ step, attempts, samples }: Told<"commit">): void {
    const { assembly, learningRate, epoch } = this.#assembly!;
    const [dense, inputs, deltas] = assembly.complete(step, attempts) as [Float32Array, Float32Array, Float32Array];
    const gradient = new Float32Array(9);
    for (let row = 0; row < samples; row++) {
      for (let i = 0; i < 2; i++) {
        for (let o = 0; o < 3; o++)
          gradient[i * 3 + o] = gradient[i * 3 + o]! + inputs[row * 2 + i]! * deltas[row * 3 + o]!;
      }
    }
    gradient.set(dense, 6);
    for (let i = 0; i < 9; i++) {
      this.velocity[i] = 0.9 * this.velocity[i]! + gradient[i]! / samples;
      this.weights[i] = this.weights[i]! - learningRate * this.velocity[i]!;
    }
    this.step = step + 1;
    this.#options.ledger.committed(step, epoch, attempts);
    this.#assembly = undefined;
    this.#sent = [];
  }

  #sendState(request: number): void {
    for (const [kind, values] of [
      ["weight", this.weights],
      ["velocity", this.velocity],
    ] as const) {
      for (const [tensor, from, to] of [
        [0, 0, 6],
        [1, 6, 9],
      ] as const) {
        const data = new Uint8Array(values.slice(from, to).buffer);
        this.#say({ type: "state-chunk", request, tensor, kind, offset: 0, data });
      }
    }
    this.#say({ type: "state-end", request, step: this.step });
  }
}

function evaluationOf(weights: Float32Array, { start, end }: Told<"evaluate">): Evaluation {
  const samples = end - start;
  const confusion = [0, 1, 2].map((label) => [0, 1, 2].map((guess) => (label === 0 && guess === 0 ? samples : 0)));
  return { samples, lossSum: samples * Math.abs(weights[0]!), confusion };
}
