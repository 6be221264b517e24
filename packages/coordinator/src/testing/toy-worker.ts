/**
 * For tests: a worker without TensorFlow.js. It speaks the protocol and computes a net so small that thousands of steps
 * take a second. Subclasses define how messages are sent and how long computing takes.
 */

import { at, defined } from "@lockstep/errors";
import {
  type AttemptId,
  assignedSubtrees,
  type CoordinatorMessage,
  chunkLength,
  chunkOffsets,
  encodeFloats,
  type MessageOf,
  partElements,
  rawFloats,
  type Step,
  StepAssembly,
  type SubtreeId,
  type SubtreeRange,
  slicesIn,
  TreeSum,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { decodeFloats } from "@lockstep/gradient-sync/testing";
import type { Evaluation, ParameterState } from "@lockstep/run";
import { columnSums, toyDeltas, toyInputs } from "./toy-gradients.ts";
import { fingerprintOfToy, LAYOUT, READY, TENSORS } from "./toy-model.ts";

/** Offsets of the tensors in the weights and in the momentum, and the end. */
const BOUNDS = [0, 6, 9] as const;
const ELEMENTS = BOUNDS[2];

/** An attempt that a worker is assigned, and the slices of its subtree. */
export type SubtreeTask = AttemptId & SubtreeRange;

/** A worker that computes the toy model. */
export abstract class ToyWorker {
  weights: Float32Array = Float32Array.from({ length: ELEMENTS }, (_, i) => (i - 4) / 8);
  velocity: Float32Array = new Float32Array(ELEMENTS);
  /** Number of updates in the weights. */
  step = 0;
  /** Whether it stops computing; it still sends heartbeats. */
  hangs = false;
  /** Number of its next contributions that are not finite. */
  spoiled = 0;
  /** Relative rounding error of its device, the same on all devices of one kind. */
  rounding = 0;
  dead = false;
  readonly #inbox: CoordinatorMessage[] = [];
  #busy = false;
  #step: { step: Step; epoch: number; learningRate: number; assembly: StepAssembly } | undefined;
  #tasks: SubtreeTask[] = [];
  #sent: { subtree: SubtreeId; attempt: number; dense: Float32Array }[] = [];
  #intake: { weight: Float32Array; velocity: Float32Array } | undefined;

  protected abstract send(message: WorkerMessage): void;
  /** Computes this many samples, then calls `then`. */
  protected abstract compute(samples: number, then: () => void): void;
  /** Returns the compute time that it reports for this many samples. */
  protected msToCompute(samples: number): number {
    return samples;
  }
  /** Called when the coordinator has sent `finished`. */
  protected abstract leftAlone(): void;
  protected computed(_step: Step, _task: SubtreeTask): void {}
  protected committed(_step: Step, _epoch: number, _attempts: readonly number[]): void {}

  receive(message: CoordinatorMessage): void {
    this.#inbox.push(message);
    this.#work();
  }

  leave(): void {
    this.send({ type: "leaving" });
  }

  /** Computes subtrees and handles messages one after the other, as a computing thread does. */
  #work(): void {
    while (!this.#busy && !this.dead) {
      const task = this.#tasks[0];
      if (task === undefined) {
        const message = this.#inbox.shift();
        if (message === undefined) return;
        this.#handle(message);
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

  get #currentStep() {
    return defined(this.#step, "the current step");
  }

  #handle(message: CoordinatorMessage): void {
    switch (message.type) {
      case "welcome":
        this.send({ ...READY, fingerprint: fingerprintOfToy(message.config) });
        return;
      case "start":
        this.#intake = undefined;
        return;
      case "evaluate":
        this.send({ type: "evaluation", request: message.request, ...evaluationOf(this.weights, message) });
        return;
      case "finished":
        this.leftAlone();
        return;
      default:
        if (!this.#handleStep(message)) this.#handleState(message);
    }
  }

  /** Handles messages about the current step. @returns whether the message was one */
  #handleStep(message: CoordinatorMessage): boolean {
    switch (message.type) {
      case "assign":
        this.#assign(message);
        return true;
      case "update-chunk":
        this.#addChunk(message);
        return true;
      case "withdrawn":
        this.#withdraw(message);
        return true;
      case "commit":
        this.#apply(message);
        return true;
      default:
        return false;
    }
  }

  #assign(message: MessageOf<"assign">): void {
    const subtrees = assignedSubtrees(message);
    if (this.#step?.step !== message.step) {
      const samples = subtrees.map(({ start, end }) => end - start);
      this.#step = { ...message, assembly: new StepAssembly(LAYOUT, samples) };
      this.#sent = [];
    }
    this.#tasks.push(...message.attempts.map((attempt) => ({ ...attempt, ...at(subtrees, attempt.subtree) })));
  }

  #addChunk(message: MessageOf<"update-chunk">): void {
    const { assembly } = this.#currentStep;
    const samples = message.part === 0 ? 0 : assembly.samplesOf(message.subtree);
    const length = chunkLength(LAYOUT, partElements(LAYOUT, message.part, samples), message.offset);
    assembly.add({ ...message, values: decodeFloats(message, defined(length, "a chunk"), "fp32") });
  }

  /** Withdraws an attempt, and resends the requested pieces of the other attempts. */
  #withdraw(message: MessageOf<"withdrawn">): void {
    this.#currentStep.assembly.withdraw(message);
    for (const { subtree, attempt, dense } of this.#sent) {
      if (subtree === message.subtree && attempt === message.attempt) continue;
      for (const offset of message.again) this.#piece(subtree, attempt, 0, offset, dense);
    }
  }

  /** Handles messages about the weights and momentum. */
  #handleState(message: CoordinatorMessage): void {
    switch (message.type) {
      case "send-state":
        this.#sendState(message.request);
        return;
      case "load-chunk": {
        this.#intake ??= { weight: new Float32Array(ELEMENTS), velocity: new Float32Array(ELEMENTS) };
        this.#intake[message.kind].set(rawFloats(message.data), at(BOUNDS, message.tensor) + message.offset);
        return;
      }
      case "load-end":
        ({ weight: this.weights, velocity: this.velocity } = defined(this.#intake, "the loaded state"));
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
      }
    }
  }

  /**
   * Computes gradients that depend on the weights, the sample and the step, so that any error shows in later weights.
   */
  #compute(task: SubtreeTask): void {
    if (this.#step === undefined) return;
    const { subtree, attempt, start, end } = task;
    const spoil = this.spoiled > 0 && this.spoiled-- > 0 ? Number.NaN : 1;
    const inputs = toyInputs(task, this.step);
    const deltas = toyDeltas(task, this.weights);
    const sum = new TreeSum<Float32Array>((left, right) => left.map((value, index) => value + at(right, index)));
    for (const slice of slicesIn(task)) sum.add(columnSums(toyDeltas(slice, this.weights)));
    const dense = sum.total().map((value) => value * spoil);
    for (const [part, values] of [
      [1, inputs],
      [2, deltas],
    ] as const) {
      for (const offset of chunkOffsets(LAYOUT, values.length)) {
        const piece = values.slice(offset, offset + LAYOUT.chunkElements);
        this.#step.assembly.add({ subtree, attempt, part, offset, values: piece });
        this.#piece(subtree, attempt, part, offset, values);
      }
    }
    for (const offset of chunkOffsets(LAYOUT, dense.length)) this.#piece(subtree, attempt, 0, offset, dense);
    this.#sent.push({ subtree, attempt, dense });
    const { step } = this.#step;
    this.computed(step, task);
    const label = { step, subtree, attempt, samples: end - start };
    const lossSum = Math.abs(at(this.weights, 0)) * (end - start);
    const ms = { forward: this.msToCompute(end - start) };
    this.send({ type: "contribution", ...label, lossSum, correct: 0, ms, io: {}, doneMs: 0 });
  }

  #piece(subtree: SubtreeId, attempt: number, part: number, offset: number, values: Float32Array): void {
    const piece = encodeFloats(values.slice(offset, offset + LAYOUT.chunkElements), "fp32");
    this.send({
      type: "gradient-chunk",
      step: this.#currentStep.step,
      subtree,
      attempt,
      part,
      offset,
      ...piece,
    });
  }

  #apply({ step, attempts, samples }: MessageOf<"commit">): void {
    const { assembly, learningRate, epoch } = this.#currentStep;
    const part = assembly.complete(step, attempts);
    const [dense, inputs, deltas] = [part(0), part(1), part(2)];
    const gradient = new Float32Array(ELEMENTS);
    for (let row = 0; row < samples; row++) {
      for (let i = 0; i < 2; i++) {
        for (let o = 0; o < 3; o++)
          gradient[i * 3 + o] = at(gradient, i * 3 + o) + at(inputs, row * 2 + i) * at(deltas, row * 3 + o);
      }
    }
    gradient.set(dense, 6);
    for (let i = 0; i < ELEMENTS; i++) {
      this.velocity[i] = (0.9 * at(this.velocity, i) + at(gradient, i) / samples) * (1 + this.rounding);
      this.weights[i] = at(this.weights, i) - learningRate * at(this.velocity, i);
    }
    this.step = step + 1;
    this.committed(step, epoch, attempts);
    this.#step = undefined;
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

/** Returns the weights and momentum of a worker by tensor. */
export function stateOf({ weights, velocity }: ToyWorker): ParameterState[] {
  return TENSORS.map(({ name, shape }, tensor) => {
    const of = (values: Float32Array) => values.slice(BOUNDS[tensor], BOUNDS[tensor + 1]);
    return { name, shape, weight: of(weights), velocity: of(velocity) };
  });
}

function evaluationOf(weights: Float32Array, { start, end }: MessageOf<"evaluate">): Evaluation {
  const samples = end - start;
  const confusion = [0, 1, 2].map((label) => [0, 1, 2].map((guess) => (label === 0 && guess === 0 ? samples : 0)));
  return { samples, lossSum: samples * Math.abs(at(weights, 0)), confusion };
}
