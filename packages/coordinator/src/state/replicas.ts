/** The weights and momentum that the workers hold: read from one, compared between all, sent to those who lack them. */
import { LockstepError } from "@lockstep/errors";
import { CHUNK_BYTES, chunksOf, elementsOf, encode, rawFloats } from "@lockstep/gradient-sync";
import type { ParameterState } from "@lockstep/run";
import type { LogEvent } from "@lockstep/run/live";
import type { Condition } from "../membership/condition.ts";
import { type Member, sendToAll } from "../membership/members.ts";
import type { Requests } from "../membership/requests.ts";
import { mustBeEqual, newOrigin } from "../membership/state-origin.ts";
import { fittedState } from "./fitted-state.ts";
import { judgeReplicas } from "./replica-check.ts";
import type { StatePiece, StateSpec, StateStreams } from "./state-streams.ts";

/** Options of the replicas of a run. */
export interface ReplicasOptions {
  streams: StateStreams;
  requests: Requests;
  condition: Condition;
  stateDict: readonly StateSpec[];
  /** Members that have the weights, the fastest first: it costs that one least to send them. */
  holders: () => readonly Member[];
  /** Number of committed updates. */
  updates: () => number;
  log: LogEvent;
}

/** Reads, compares and installs the state of members. */
export class Replicas {
  readonly #options: ReplicasOptions;

  constructor(options: ReplicasOptions) {
    this.#options = options;
  }

  /**
   * Reads the state as it is now, from one worker, while training goes on. If that one is lost, another one's is as good until
   * the next update; also that of a worker which still catches up, once it has.
   *
   * @throws LockstepError ERR_STATE_LOST if the worker that had it is lost, and the others have gone on
   * @throws LockstepError ERR_ALL_LOST if there is none
   */
  async read(): Promise<ParameterState[]> {
    const { streams, condition, stateDict, holders, updates } = this.#options;
    const step = updates();
    const state = stateDict.map(({ name, shape }) => {
      const elements = elementsOf(shape);
      return { name, shape, weight: new Float32Array(elements), velocity: new Float32Array(elements) };
    });
    const store = async ({ tensor, kind, offset, data }: StatePiece) =>
      state[tensor]![kind].set(rawFloats(data), offset);
    for (let last = "The last worker"; ; ) {
      if (holders().length === 0) await condition.wait(() => holders().length > 0 || updates() !== step);
      if (updates() !== step) throw stateLost(last);
      const source = holders()[0];
      if (source === undefined) continue; // the one that was waited for is lost, too
      if (await streams.request(source, { stateDict, step }, store)) return state;
      last = source.name;
    }
  }

  /**
   * Sends weights and momentum from a file to all who begin. On the wire a tensor is its number in the state dict.
   *
   * @throws LockstepError ERR_STATE_DICT for tensors that are not those of the state dict; then nothing is sent
   */
  async install(state: readonly ParameterState[], members: readonly Member[]): Promise<void> {
    const { tensors } = fittedState(state, this.#options.stateDict);
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
   * Compares the digests of replicas. Those of one lineage on like devices must be equal; others may round otherwise, and
   * are sent the state of the reference. A worker that is lost on the way is left out.
   *
   * @throws LockstepError ERR_REPLICA that names the worker
   */
  async compare(members: readonly Member[]): Promise<void> {
    const replies = await this.#options.requests.ask(members, { type: "digest" });
    const here = [...replies.keys()].filter(({ hasDeparted: gone }) => !gone);
    const replicas = here.map((member) => ({ member, digest: replies.get(member)!.digest }));
    const { reference, wrong, drifted } = judgeReplicas(replicas);
    if (reference === undefined) return; // nobody is left to compare
    if (wrong.length > 0) throw replicaError(wrong, here);
    if (drifted.length > 0 && !(await this.#overwrite(reference, drifted))) return this.compare(here);
    const origin = drifted.length > 0 ? newOrigin() : reference.origin;
    for (const member of here) member.origin = origin; // all are equal now
  }

  /** Sends the state of one worker to others that have drifted away from it. @returns whether all of it came */
  async #overwrite(source: Member, drifted: readonly Member[]): Promise<boolean> {
    const { streams, requests, stateDict, updates, log } = this.#options;
    const step = updates();
    const complete = await streams.request(source, { stateDict, step }, (piece) =>
      sendToAll(drifted, encode({ ...piece, type: "load-chunk" })),
    );
    if (!complete) return false;
    const replies = await requests.ask(drifted, { type: "load-end", step });
    for (const [{ name }, { largestDifference }] of replies) {
      const by = largestDifference.toExponential(1);
      const why = `since their devices round differently; ${name} was given the weights of ${source.name}`;
      const line = `${name} had drifted from ${source.name} by up to ${by}, ${why}`;
      log(line, "mended", { worker: name });
    }
    return true;
  }
}

function stateLost(name: string): LockstepError {
  return new LockstepError("ERR_STATE_LOST", `${name} was lost before it had sent its state.`);
}

function replicaError(wrong: readonly Member[], compared: readonly Member[]): LockstepError {
  const names = wrong.map(({ name }) => name).join(" and ");
  const right = compared.find((member) => !wrong.includes(member) && mustBeEqual(member, wrong[0]!))!;
  const text = `The weights of ${names} differ from those of ${right.name}, though their devices are alike`;
  const remedy = "Look for faulty memory or another version there; start again with --resume and without it.";
  return new LockstepError("ERR_REPLICA", `${text}. ${remedy}`);
}
