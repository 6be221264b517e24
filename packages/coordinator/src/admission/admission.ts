/** Admits workers whose model and data match the first worker's, and refuses others with the reason. */
import type { RunConfig } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { stableTopology } from "@lockstep/model/files";
import type { AdmissionControl, MessageHandler, RefusedWorker } from "../connections/admission-control.ts";
import type { ReadySession } from "../connections/ready-session.ts";
import { CommonRefusals } from "./common-refusals.ts";
import { assertOwnFingerprint, assertSameCode, assertSameRun, assertTrainable } from "./compatibility.ts";
import { validHeldState } from "./held-state.ts";
import { assertInitialModel, type InitialModel } from "./initial-model.ts";
import { parseTopology } from "./topology.ts";

/** The team that admitted workers join. */
export interface AdmittingTeam {
  /** Number of members. */
  readonly size: number;
  /** Number of workers that the run waits for before it begins. */
  readonly workers: number;
  /** Number of committed updates. */
  readonly updatesMade: number;
  /** The most updates that were ever committed: a run that goes on from its checkpoint has undone those after it. */
  readonly mostUpdatesMade: number;
  /** @throws LockstepError ERR_NAME for the name of another member */
  join(session: ReadySession): MessageHandler;
  disconnect(session: ReadySession, reason: string): void;
  /** Ends the run with a reason for which no worker can take part. */
  giveUp(reason: LockstepError): void;
}

/** Options of an `Admission`: what it compares workers with, and the team that it admits them to. */
export interface AdmissionOptions {
  config: RunConfig;
  team: AdmittingTeam;
  /** The coordinator's own version of Lockstep. */
  version: string;
  /** What the run has of its model already. @default nothing: the first worker says what the model is */
  initial?: InitialModel;
  /** Is told in whole lines which workers cannot take part. @default nobody is told */
  log?: (line: string) => void;
}

/**
 * - `gathering`: when all have gone, the next one may say anew what the run is
 * - `running`: all must match those who began it, also when none of them is left
 * - `over`: nobody is admitted any more
 */
type State = { name: "gathering" } | { name: "running"; mostWorkers: number } | { name: "over" };

/** Decides which workers become members of the team. */
export class Admission implements AdmissionControl {
  readonly #options: AdmissionOptions;
  readonly #refusals: CommonRefusals;
  #state: State = { name: "gathering" };
  #first: ReadySession | undefined;

  /** Is called after each worker that is admitted. */
  onJoined: () => void = () => {};

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#refusals = new CommonRefusals(options.team.workers);
  }

  /** The worker that the others are compared with: the first one, until none is left before the run begins. */
  get first(): ReadySession {
    if (this.#first === undefined) throw new Error("Expected a worker to have been admitted.");
    return this.#first;
  }

  /** The run begins, or goes on, with `mostWorkers` at the most. */
  begin(mostWorkers: number): void {
    this.#state = { name: "running", mostWorkers };
  }

  /** The run is over. */
  end(): void {
    this.#state = { name: "over" };
  }

  /** @throws LockstepError the reason to refuse it; the run ends with that if no other worker can be admitted either */
  admit(session: ReadySession): MessageHandler {
    try {
      this.#assertCapacity();
      this.#assertMatches(session);
      return this.#join(session);
    } catch (error) {
      const { hello, address, connectedMs, heardMs } = session;
      if (error instanceof LockstepError) this.onFailed({ name: hello.name, address, connectedMs, heardMs }, error);
      throw error;
    }
  }

  /**
   * A worker gives up, or was refused. The run ends with the reason if no other worker can take part either; else a
   * worker that had not joined is told of.
   */
  onFailed(worker: RefusedWorker, error: LockstepError, session?: ReadySession): void {
    const { team, log = () => {} } = this.#options;
    const others = team.size - (session === undefined ? 0 : 1);
    const isCommon = this.#refusals.note(worker, error, team.mostUpdatesMade);
    if (isCommon && others === 0) team.giveUp(error);
    else if (session === undefined) log(`${worker.name} cannot take part: ${error.code}: ${error.message}`);
  }

  /** The connection of a member has ended. */
  onDisconnected(session: ReadySession, reason: string): void {
    const { team } = this.#options;
    team.disconnect(session, reason);
    if (team.size === 0 && this.#state.name === "gathering") this.#first = undefined;
  }

  /** @throws LockstepError ERR_OVER, ERR_FULL */
  #assertCapacity(): void {
    if (this.#state.name === "over") throw new LockstepError("ERR_OVER", "The run is over.");
    if (this.#state.name === "gathering" || this.#options.team.size < this.#state.mostWorkers) return;
    const text = `Expected at most ${this.#state.mostWorkers} workers, and they are here`;
    const why = "the coordinator has no memory to add up the gradients of more";
    const remedy = "start it with --sync factored, or on a machine with more memory";
    throw new LockstepError("ERR_FULL", `${text}: ${why}; ${remedy}.`);
  }

  /** @throws LockstepError what of its code, its model or its data is not as it must be */
  #assertMatches({ ready }: ReadySession): void {
    const { config, version, initial = {} } = this.#options;
    assertSameCode(version, ready.code);
    assertTrainable(ready);
    const topology = parseTopology(ready.topology);
    const layers = stableTopology(topology);
    assertOwnFingerprint(config, ready, layers);
    if (this.#first === undefined) assertInitialModel(initial, ready, topology);
    else assertSameRun(ready, layers, this.#first);
  }

  #join(session: ReadySession): MessageHandler {
    const { hello } = session;
    const { linkBytesPerSecond, gemmFlopsPerSecond } = session.ready;
    if (hello.holds !== undefined) session.hello = { ...hello, holds: validHeldState(hello.holds, this.#updates()) };
    // What they have in common is kept once: a topology may have megabytes.
    if (this.#first !== undefined) session.ready = { ...this.#first.ready, linkBytesPerSecond, gemmFlopsPerSecond };
    const handle = this.#options.team.join(session);
    this.#first ??= session;
    this.onJoined();
    return handle;
  }

  /** Returns how many updates the run has made, as it is now and at the most. */
  #updates(): { updates: number; most: number } {
    const { team, initial: { updates = 0 } = {} } = this.#options;
    const most = Math.max(updates, team.mostUpdatesMade);
    return { updates: this.#state.name === "gathering" ? updates : team.updatesMade, most };
  }
}
