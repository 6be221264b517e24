/**
 * For tests: a worker without TensorFlow.js, which speaks the protocol and computes a net so small that thousands of
 * steps take a second. How its messages travel, and how long it computes, is for whoever makes one to say.
 */

import type { TfjsTopology } from "@lockstep/formats";
import {
  ARITHMETIC_VERSION,
  type CoordinatorMessage,
  chunkLength,
  chunkOffsets,
  decodeFloats,
  encodeFloats,
  type FingerprintFacts,
  fingerprintOf,
  type MessageOf,
  makeLayout,
  PROTOCOL_VERSION,
  partElements,
  rawFloats,
  type SliceId,
  type Step,
  StepAssembly,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { stableTopology } from "@lockstep/model/files";
import type { Evaluation, ParameterState } from "@lockstep/run";

/** A kernel [2, 3], which travels as factors, and a bias [3], which does not. */
export const TENSORS = [
  { name: "kernel", shape: [2, 3], dtype: "float32" as const },
  { name: "bias", shape: [3], dtype: "float32" as const },
];
export const PLAN = { forms: ["factored" as const, "dense" as const], wire: "fp32" as const, chunkBytes: 8 };
export const LAYOUT = makeLayout(TENSORS, PLAN);
const CLASSES = 3;
/** Of all, weights or momentum: where each tensor begins, and the end. */
const BOUNDS = [0, 6, 9] as const;
const ELEMENTS = BOUNDS[2];

export type SliceTask = MessageOf<"assign">["slices"][number];

export const HELLO: MessageOf<"hello"> = {
  type: "hello",
  protocol: PROTOCOL_VERSION,
  name: "toy",
  device: "a sheet of paper",
  backend: "sim",
  libraryVersion: "1",
  instructionSet: "x",
  threads: 1,
};

const TOPOLOGY: TfjsTopology = {
  modelTopology: {},
  format: "layers-model",
  generatedBy: "a test",
  convertedBy: null,
  weights: TENSORS.map(({ name, shape, dtype }) => ({ name, shape, dtype, stateDictName: name })),
};

/** The code of all toy workers and of their coordinator. */
export const TOY_CODE = { version: "toy", arithmetic: ARITHMETIC_VERSION, draws: "d" };

/** Its fingerprint is another for each run's options: see `fingerprintOfToy`. */
export const READY: MessageOf<"ready"> = {
  type: "ready",
  fingerprint: "",
  code: TOY_CODE,
  modelName: "toy",
  tensors: TENSORS,
  factorable: [true, false],
  stateDict: TENSORS.map(({ name, shape }) => ({ name, shape })),
  inputShape: [1, 1, 2],
  numClasses: CLASSES,
  classes: ["a", "b", "c"],
  mean: [0],
  std: [1],
  trainSamples: 22,
  validationSamples: 330,
  testSamples: 130,
  topology: JSON.stringify(TOPOLOGY),
  linkBytesPerSecond: 1e9,
  gemmFlopsPerSecond: 1e9,
};

export const fingerprintOfToy = (config: Record<string, unknown>, facts: FingerprintFacts = READY) =>
  fingerprintOf(facts, stableTopology(TOPOLOGY), config);

export abstract class ToyWorker {
  weights: Float32Array = Float32Array.from({ length: ELEMENTS }, (_, i) => (i - 4) / 8);
  velocity: Float32Array = new Float32Array(ELEMENTS);
  /** Updates that the weights have. */
  step = 0;
  /** Whether it computes; its heart beats all the same. */
  hangs = false;
  /** How many of its next contributions are not finite. */
  spoiled = 0;
  /** Relative error of each number that it computes: that of its device, and the same on all that are alike. */
  rounding = 0;
  dead = false;
  readonly #inbox: CoordinatorMessage[] = [];
  #busy = false;
  #assembly: { step: Step; epoch: number; learningRate: number; assembly: StepAssembly } | undefined;
  #tasks: SliceTask[] = [];
  #sent: { slice: SliceId; attempt: number; dense: Float32Array }[] = [];
  #intake: { weight: Float32Array; velocity: Float32Array } | undefined;

  protected abstract send(message: WorkerMessage): void;
  /** Calls `then` when so many samples are computed. */
  protected abstract compute(samples: number, then: () => void): void;
  /** What it says that so many samples took. */
  protected msToCompute(samples: number): number {
    return samples;
  }
  /** The run is over for it. */
  protected abstract leftAlone(): void;
  protected computed(_step: Step, _task: SliceTask): void {}
  protected committed(_step: Step, _epoch: number, _attempts: readonly number[]): void {}

  receive(message: CoordinatorMessage): void {
    this.#inbox.push(message);
    this.#work();
  }

  leave(): void {
    this.send({ type: "leaving" });
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
        this.compute(task.end - task.start, () => {
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
      case "welcome":
        this.send({ ...READY, fingerprint: fingerprintOfToy(message.config) });
        return;
      case "start":
        this.#intake = undefined;
        return;
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
        this.send({ type: "evaluation", request: message.request, ...evaluationOf(this.weights, message) });
        return;
      case "send-state":
        this.#sendState(message.request);
        return;
      case "load-chunk": {
        this.#intake ??= { weight: new Float32Array(ELEMENTS), velocity: new Float32Array(ELEMENTS) };
        this.#intake[message.kind].set(rawFloats(message.data), BOUNDS[message.tensor]! + message.offset);
        return;
      }
      case "load-end":
        this.weights = this.#intake!.weight;
        this.velocity = this.#intake!.velocity;
        this.#intake = undefined;
        this.step = message.step;
        this.send({ type: "loaded", largestDifference: 0 });
        return;
      case "sync":
        this.send({ type: "synced" });
        return;
      case "digest": {
        const digest = Buffer.from(this.weights.buffer).toString("hex");
        this.send({ type: "digest-result", step: this.step, digest });
        return;
      }
      case "finished":
        this.leftAlone();
    }
  }

  /** Gradients that depend on the weights, the sample and the step, so that any mistake shows in all later weights. */
  #compute({ slice, attempt, start, end }: SliceTask): void {
    if (this.#assembly === undefined) return;
    const spoil = this.spoiled > 0 && this.spoiled-- > 0 ? Number.NaN : 1;
    const rows = Array.from({ length: end - start }, (_, row) => start + row);
    const inputs = Float32Array.from(rows.flatMap((sample) => [Math.sin(sample + this.step), Math.cos(sample)]));
    const deltas = Float32Array.from(
      rows.flatMap((sample) => [0, 1, 2].map((out) => this.weights[out]! + 0.1 * Math.sin(sample * (out + 1)))),
    );
    const dense = new Float32Array(3);
    for (const [index, delta] of deltas.entries()) dense[index % 3] = dense[index % 3]! + delta * spoil;
    for (const [part, values] of [
      [1, inputs],
      [2, deltas],
    ] as const) {
      for (const offset of chunkOffsets(LAYOUT, values.length)) {
        const piece = values.slice(offset, offset + LAYOUT.chunkElements);
        this.#assembly.assembly.add({ slice, attempt, part, offset, values: piece });
        this.#piece(slice, attempt, part, offset, values);
      }
    }
    for (const offset of chunkOffsets(LAYOUT, dense.length)) this.#piece(slice, attempt, 0, offset, dense);
    this.#sent.push({ slice, attempt, dense });
    const { step } = this.#assembly;
    this.computed(step, { slice, attempt, start, end });
    const label = { step, slice, attempt, samples: end - start };
    const lossSum = Math.abs(this.weights[0]!) * (end - start);
    const ms = { forward: this.msToCompute(end - start) };
    this.send({ type: "contribution", ...label, lossSum, correct: 0, ms, io: {}, doneMs: 0 });
  }

  #piece(slice: SliceId, attempt: number, part: number, offset: number, values: Float32Array): void {
    const piece = encodeFloats(values.slice(offset, offset + LAYOUT.chunkElements), "fp32");
    this.send({ type: "gradient-chunk", step: this.#assembly!.step, slice, attempt, part, offset, ...piece });
  }

  #apply({ step, attempts, samples }: MessageOf<"commit">): void {
    const { assembly, learningRate, epoch } = this.#assembly!;
    const part = assembly.complete(step, attempts);
    const [dense, inputs, deltas] = [part(0), part(1), part(2)];
    const gradient = new Float32Array(ELEMENTS);
    for (let row = 0; row < samples; row++) {
      for (let i = 0; i < 2; i++) {
        for (let o = 0; o < 3; o++)
          gradient[i * 3 + o] = gradient[i * 3 + o]! + inputs[row * 2 + i]! * deltas[row * 3 + o]!;
      }
    }
    gradient.set(dense, 6);
    for (let i = 0; i < ELEMENTS; i++) {
      this.velocity[i] = (0.9 * this.velocity[i]! + gradient[i]! / samples) * (1 + this.rounding);
      this.weights[i] = this.weights[i]! - learningRate * this.velocity[i]!;
    }
    this.step = step + 1;
    this.committed(step, epoch, attempts);
    this.#assembly = undefined;
    this.#sent = [];
  }

  #sendState(request: number): void {
    for (const [kind, values] of [
      ["weight", this.weights],
      ["velocity", this.velocity],
    ] as const) {
      for (const tensor of TENSORS.keys()) {
        const data = new Uint8Array(values.slice(BOUNDS[tensor], BOUNDS[tensor + 1]).buffer);
        this.send({ type: "state-chunk", request, tensor, kind, offset: 0, data });
      }
    }
    this.send({ type: "state-end", request, step: this.step });
  }
}

/** The weights and momentum of a worker, by tensor. */
export function stateOf({ weights, velocity }: ToyWorker): ParameterState[] {
  return TENSORS.map(({ name, shape }, tensor) => {
    const of = (values: Float32Array) => values.slice(BOUNDS[tensor], BOUNDS[tensor + 1]);
    return { name, shape, weight: of(weights), velocity: of(velocity) };
  });
}

function evaluationOf(weights: Float32Array, { start, end }: MessageOf<"evaluate">): Evaluation {
  const samples = end - start;
  const confusion = [0, 1, 2].map((label) => [0, 1, 2].map((guess) => (label === 0 && guess === 0 ? samples : 0)));
  return { samples, lossSum: samples * Math.abs(weights[0]!), confusion };
}
