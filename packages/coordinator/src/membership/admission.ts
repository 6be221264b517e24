/** Admits workers whose model and data match the first worker's. */

import type { RunConfig } from "@lockstep/config";
import { excerpt, LockstepError } from "@lockstep/errors";
import { type TfjsTopology, tfjsTopologySchema } from "@lockstep/formats";
import {
  ARITHMETIC_VERSION,
  type Code,
  elementsOf,
  factsOf,
  fingerprintOf,
  type RunFacts,
} from "@lockstep/gradient-sync";
import { MAX_PARAMETERS, stableTopology, topologyDigest } from "@lockstep/model/files";
import type { ParameterState } from "@lockstep/run";
import type { ReadySession } from "../connections/ready-session.ts";
import type { SessionEvents } from "../connections/sessions.ts";
import { firstDifference } from "../first-difference.ts";
import { fittedState } from "../state/fitted-state.ts";
import type { RemoteTeam } from "../team/remote-team.ts";
import { CommonRefusals, type RefusedWorker } from "./common-refusals.ts";

/** What `Admission` compares workers with, and where it sends them. */
export interface AdmissionOptions {
  config: RunConfig;
  team: RemoteTeam;
  /** The coordinator's own version of Lockstep. */
  version: string;
  /** What the run has before the first of them comes. @default nothing: it is that worker who says what the model is */
  begunWith?: BegunWith;
  /** Is told in whole lines which workers cannot take part. @default nobody is told */
  tell?: (line: string) => void;
}

/** What is known of a run's model by those who begin it. */
export interface BegunWith {
  /** Updates that its rows tell of. @default none */
  updates?: number;
  /** Of the model that it had before. */
  topologyDigest?: string | undefined;
  /** Of a checkpoint, or of --init-from. */
  weights?: readonly ParameterState[] | undefined;
}

/** Handles the events of all sessions: admits admission workers into the team, and refuses others with the reason. */
export class Admission implements SessionEvents {
  readonly #options: AdmissionOptions;
  readonly #refusals: CommonRefusals;
  #first: ReadySession | undefined;
  #begun = false;
  #over = false;
  #mostWorkers = Number.POSITIVE_INFINITY;

  /** Is called after each worker that is taken. */
  onJoined: () => void = () => {};

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#refusals = new CommonRefusals(options.team.workers);
  }

  /** The one that the others are compared with. There is one from the first join until nobody is left before the run. */
  get first(): ReadySession {
    return this.#first!;
  }

  /**
   * The run begins, or goes on: whoever comes later must fit to those who began it, also when none of them is left.
   *
   * @param mostWorkers that may take part
   */
  begin(mostWorkers: number): void {
    this.#begun = true;
    this.#mostWorkers = mostWorkers;
  }

  /** Nobody joins any more. */
  end(): void {
    this.#over = true;
  }

  /** @throws LockstepError why it cannot be taken; the run ends with the reason if no other worker can be taken either */
  joined(session: ReadySession): void {
    try {
      this.#admit(session);
    } catch (error) {
      const { name } = session.hello;
      if (error instanceof LockstepError) this.failed({ ...session, name, session: undefined }, error);
      throw error;
    }
  }

  /**
   * A worker gives up, or was refused. The run ends with the reason if no other worker can take part either; else a
   * worker that had not joined is told of.
   */
  failed({ session, ...worker }: RefusedWorker & { session: ReadySession | undefined }, error: LockstepError): void {
    const { team, tell = () => {} } = this.#options;
    const others = team.size - (session === undefined ? 0 : 1);
    const isCommon = this.#refusals.note(worker, error, team.mostUpdatesMade);
    if (isCommon && others === 0) team.giveUp(error);
    else if (session === undefined) tell(`${worker.name} cannot take part: ${error.code}: ${error.message}`);
  }

  #admit(session: ReadySession): void {
    const { config, team, version } = this.#options;
    const { ready, hello } = session;
    if (this.#over) throw new LockstepError("ERR_OVER", "The run is over.");
    if (team.size >= this.#mostWorkers) {
      const text = `Expected at most ${this.#mostWorkers} workers, and they are here`;
      const why = "the coordinator has no memory to add up the gradients of more";
      throw new LockstepError(
        "ERR_FULL",
        `${text}: ${why}; start it with --sync factored, or on a machine with more memory.`,
      );
    }
    expectSameCode(version, ready.code);
    expectTrainable(ready);
    const topology = parseTopology(ready.topology);
    expectSame(config, this.#first, session, stableTopology(topology));
    if (this.#first === undefined) this.#expectBegunWith(ready, topology);
    if (hello.holds !== undefined) session.hello = { ...hello, holds: this.#standing(hello.holds) };
    const { linkBytesPerSecond, gemmFlopsPerSecond } = ready;
    // What they have in common is kept once: a topology may have megabytes.
    if (this.#first !== undefined) session.ready = { ...this.#first.ready, linkBytesPerSecond, gemmFlopsPerSecond };
    team.join(session);
    this.#first ??= session;
    this.onJoined();
  }

  /**
   * What a worker holds, if that is of the run as it is now: it may hold updates that a run which went on from its
   * checkpoint has undone since, and then holds nothing.
   *
   * @throws LockstepError ERR_HOLDS for more updates than were ever made
   */
  #standing(holds: NonNullable<ReadySession["hello"]["holds"]>): ReadySession["hello"]["holds"] {
    const { team, begunWith: { updates = 0 } = {} } = this.#options;
    const most = Math.max(updates, team.mostUpdatesMade);
    if (holds.step > most)
      throw new LockstepError(
        "ERR_HOLDS",
        `It holds weights after ${holds.step} updates, but this run has made only ${most}.`,
      );
    return holds.step > (this.#begun ? team.updatesMade : updates) ? undefined : holds;
  }

  /**
   * @throws LockstepError ERR_MODEL_CHANGED for another model than the run had when it was begun, ERR_STATE_DICT for one
   *   that the weights do not fit
   */
  #expectBegunWith({ stateDict }: RunFacts, topology: TfjsTopology): void {
    const { topologyDigest: digest, weights } = this.#options.begunWith ?? {};
    if (digest !== undefined && digest !== topologyDigest(topology)) {
      const text = "Its model is not the one that this run began with";
      throw new LockstepError("ERR_MODEL_CHANGED", `${text}; give it that one, or begin a new run with --init-from.`);
    }
    if (weights !== undefined) fittedState(weights, stateDict);
  }

  message(session: ReadySession, message: Parameters<SessionEvents["message"]>[1]): void {
    this.#options.team.take(session, message);
  }

  lost(session: ReadySession, reason: string): void {
    const { team } = this.#options;
    team.lose(session, reason);
    if (team.size === 0 && !this.#begun) this.#first = undefined;
  }
}

/**
 * Refuses a worker whose code is not the coordinator's, which adds up what the worker computes.
 *
 * @throws LockstepError ERR_FINGERPRINT that says which version came
 */
function expectSameCode(version: string, code: Code): void {
  const differences = [
    code.version !== version && `version ${version} of Lockstep, got ${code.version}`,
    code.arithmetic !== ARITHMETIC_VERSION && `arithmetic version ${ARITHMETIC_VERSION}, got ${code.arithmetic}`,
  ].filter((difference) => difference !== false);
  if (differences.length === 0) return;
  const remedy = "other code computes other numbers: install the coordinator's version on this worker's machine";
  throw new LockstepError("ERR_FINGERPRINT", `Expected ${differences.join("; ")}; ${remedy}.`);
}

/** @throws LockstepError ERR_MODEL for sizes that do not fit one another, or are more than there may be */
function expectTrainable({ tensors, stateDict, factorable, numClasses, classes, ...facts }: RunFacts): void {
  const [inModel, inState] = [tensors, stateDict].map((list) => list.map(({ shape }) => elementsOf(shape)));
  const parameters = inModel!.reduce((total, elements) => total + elements, 0);
  const faults: [boolean, string][] = [
    [parameters < 1 || parameters > MAX_PARAMETERS, `1 to ${MAX_PARAMETERS} parameters, got ${parameters}`],
    [String(inModel) !== String(inState), "the same tensors for the state dict, in their order"],
    [factorable.length !== tensors.length, "to be told of each tensor whether its gradient can be sent as factors"],
    [factorable.some((can, i) => can && tensors[i]?.shape.length !== 2), "factors of matrices only"],
    [numClasses < 1 || classes.length !== numClasses, `${numClasses} names of classes, got ${classes.length}`],
    [facts.trainSamples < 1, "samples to train with"],
    [facts.mean.length !== facts.std.length, "as many means as stds"],
  ];
  const fault = faults.find(([isSo]) => isSo);
  if (fault !== undefined) throw new LockstepError("ERR_MODEL", `Expected ${fault[1]}.`);
}

/**
 * @param layers of this worker, as `stableTopology` has them
 * @throws LockstepError ERR_FINGERPRINT that says what differs from the first worker's idea of the run
 */
function expectSame(config: RunConfig, first: ReadySession | undefined, { ready }: ReadySession, layers: string): void {
  const differs = (what: string) =>
    new LockstepError("ERR_FINGERPRINT", `${what}; give all workers the same model, data and version.`);
  const expected = fingerprintOf(factsOf(ready), layers, { ...config });
  if (ready.fingerprint !== expected) {
    throw differs(
      `Its fingerprint is ${excerpt(ready.fingerprint)}, but the model and data that it told of have ${expected}`,
    );
  }
  if (first === undefined || ready.fingerprint === first.ready.fingerprint) return;
  const [digest, firstDigest] = [ready, first.ready].map(({ ownWeights }) => ownWeights?.digest || "none");
  if (digest !== firstDigest) {
    const what = "The weights that its model's module or initialisers gave are not those of";
    const remedy = "give all workers the same files of weights, or begin the run with --init or --init-from";
    const text = `${what} ${first.hello.name} (SHA-256 ${digest}, expected ${firstDigest}); ${remedy}.`;
    throw new LockstepError("ERR_FINGERPRINT", text);
  }
  const all = (ready: RunFacts, layers: string) => ({ ...factsOf(ready), model: JSON.parse(layers) as unknown });
  const firstLayers = stableTopology(parseTopology(first.ready.topology));
  const difference = firstDifference(all(ready, layers), all(first.ready, firstLayers));
  if (difference === undefined) throw differs(`Its fingerprint differs from that of ${first.hello.name}`);
  const { path, a, b } = difference;
  throw differs(`Its ${path} is ${a}, but ${first.hello.name} has ${b}`);
}

/** @throws LockstepError ERR_TOPOLOGY for anything else than the JSON of a topology */
export function parseTopology(text: string): TfjsTopology {
  try {
    return tfjsTopologySchema.parse(JSON.parse(text));
  } catch (cause) {
    const remedy = "use the same version of Lockstep on all machines";
    throw new LockstepError("ERR_TOPOLOGY", `Expected the topology of a TensorFlow.js model; ${remedy}.`, { cause });
  }
}
