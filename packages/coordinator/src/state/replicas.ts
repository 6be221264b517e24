/** The replicas of the weights and momentum on the workers: reads one, compares all, and installs a state on them. */
import { at, defined, LockstepError } from "@lockstep/errors";
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
  /** Returns the members that hold the weights, fastest first: sending costs the fastest one least. */
  holders: () => readonly Member[];
  /** Returns the number of committed updates. */
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
   * Reads the current state from one worker while training continues. If that worker disconnects before the next
   * update, another one's state is read instead, or that of a late joiner once it has caught up.
   *
   * @throws LockstepError ERR_STATE_LOST if the worker disconnects after the others have applied further updates
   * @throws LockstepError ERR_ALL_LOST if no worker holds the weights
   */
  async read(): Promise<ParameterState[]> {
    const { streams, condition, stateDict, holders, updates } = this.#options;
    const step = updates();
    const state = stateDict.map(({ name, shape }) => {
      const elements = elementsOf(shape);
      return { name, shape, weight: new Float32Array(elements), velocity: new Float32Array(elements) };
    });
    const store = async ({ tensor, kind, offset, data }: StatePiece) =>
      at(state, tensor)[kind].set(rawFloats(data), offset);
    for (let last = "The last worker"; ; ) {
      if (holders().length === 0) await condition.wait(() => holders().length > 0 || updates() !== step);
      if (updates() !== step) throw stateLost(last);
      const source = holders()[0];
      if (source === undefined) continue; // the holder that was waited for has disconnected, too
      if (await streams.request(source, { stateDict, step }, store)) return state;
      last = source.name;
    }
  }

  /**
   * Sends weights and momentum from a file to members. On the wire, a tensor is identified by
   * its index in the state dict.
   *
   * @throws LockstepError ERR_STATE_DICT if the tensors are not those of the state dict; nothing is sent then
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
   * Compares the digests of replicas. Those of one origin on devices of one kind must be equal. Others may have been
   * rounded differently, and are sent the state of the reference. A worker that disconnects meanwhile is left out.
   *
   * @throws LockstepError ERR_REPLICA with the names of the faulty workers
   */
  async compare(members: readonly Member[]): Promise<void> {
    const replies = await this.#options.requests.ask(members, { type: "digest" });
    const replicas = [...replies]
      .filter(([member]) => !member.hasDeparted)
      .map(([member, { digest }]) => ({ member, digest }));
    const here = replicas.map(({ member }) => member);
    const { reference, wrong, drifted } = judgeReplicas(replicas);
    if (reference === undefined) return; // no worker is left to compare
    if (wrong.length > 0) throw replicaError(wrong, here);
    if (drifted.length > 0 && !(await this.#overwrite(reference, drifted))) return this.compare(here);
    const origin = drifted.length > 0 ? newOrigin() : reference.origin;
    for (const member of here) member.origin = origin; // all replicas are equal now
  }

  /** Overwrites the state of drifted workers with that of `source`. @returns whether `source` sent all of it */
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
      const remedy = `because their devices round differently; ${name} now has the weights of ${source.name}`;
      const line = `${name} had drifted from ${source.name} by up to ${by}, ${remedy}`;
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
  const first = at(wrong, 0);
  const right = defined(
    compared.find((member) => !wrong.includes(member) && mustBeEqual(member, first)),
    "a replica that is right",
  );
  const text = `The weights of ${names} differ from those of ${right.name}, although their devices are of the same kind`;
  const remedy =
    "Check that machine's memory and installed versions; resume the run with --resume, without that worker.";
  return new LockstepError("ERR_REPLICA", `${text}. ${remedy}`);
}
