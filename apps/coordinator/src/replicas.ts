/** The weights and momentum that the workers hold: read from one, compared between all, sent to those who lack them. */
import { LockstepError } from "@lockstep/errors";
import { CHUNK_BYTES, chunksOf, elementsOf, encode, rawFloats } from "@lockstep/gradient-sync";
import type { ParameterState } from "@lockstep/run";
import type { TellEvent } from "@lockstep/run/live";
import { type Member, sendToAll } from "./members.ts";
import type { Questions } from "./questions.ts";
import { culprits } from "./replica-check.ts";
import type { StateSpec, StateStreams } from "./state-streams.ts";

export interface ReplicasOptions {
  streams: StateStreams;
  questions: Questions;
  stateDict: readonly StateSpec[];
  /** Those who have the weights, the fastest first: it costs that one least to send them. */
  holders: () => readonly Member[];
  /** That everyone was told of. */
  updates: () => number;
  log: TellEvent;
}

export class Replicas {
  readonly #options: ReplicasOptions;

  constructor(options: ReplicasOptions) {
    this.#options = options;
  }

  /**
   * The state as it is now, from one worker, while training goes on.
   *
   * @throws LockstepError ERR_STATE_LOST if the worker that had it is lost, and the others have gone on
   * @throws LockstepError ERR_ALL_LOST if there is none
   */
  async read(): Promise<ParameterState[]> {
    const { streams, stateDict, holders, updates } = this.#options;
    const step = updates();
    const state = stateDict.map(({ name, shape }) => {
      const elements = elementsOf(shape);
      return { name, shape, weight: new Float32Array(elements), velocity: new Float32Array(elements) };
    });
    const source = holders()[0];
    if (source === undefined) throw new LockstepError("ERR_ALL_LOST", "No worker is left that holds the weights.");
    const whole = await streams.request(source, { stateDict, step }, async ({ tensor, kind, offset, data }) =>
      state[tensor]![kind].set(rawFloats(data), offset),
    );
    if (whole) return state;
    if (updates() === step) return this.read(); // another worker has it still
    throw new LockstepError("ERR_STATE_LOST", `${source.name} was lost before it had sent its state.`);
  }

  /** Sends weights and momentum from a file to all who begin. */
  async install(tensors: readonly ParameterState[], members: readonly Member[]): Promise<void> {
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
    for (const member of members) member.send({ type: "load-end", step: this.#options.updates() });
  }

  /**
   * Compares digests. On like devices they must be equal; where devices differ, so may rounding: then the first worker's
   * state is sent to the others.
   *
   * @throws LockstepError ERR_REPLICA that names the worker
   */
  async compare(members: readonly Member[]): Promise<void> {
    const answers = await this.#options.questions.ask(members, { type: "digest" });
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
  }

  /** Sends the state of one worker to others that have drifted away from it. */
  async #mend(source: Member, drifted: readonly Member[]): Promise<void> {
    const { streams, questions, stateDict, updates, log } = this.#options;
    const step = updates();
    const whole = await streams.request(source, { stateDict, step }, (piece) =>
      sendToAll(drifted, encode({ ...piece, type: "load-chunk" })),
    );
    if (!whole) return; // the next epoch's check will find them
    const answers = await questions.ask(drifted, { type: "load-end", step });
    for (const [{ name }, { largestDifference }] of answers) {
      const by = largestDifference.toExponential(1);
      const line = `${name} had drifted from ${source.name} by up to ${by}, as other devices round; mended`;
      log(line, "mended", { worker: name });
    }
  }
}
