/** Admits workers whose model and data match the first worker's, and refuses others with a reason. */
import type { RunConfig } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { stableTopology } from "@lockstep/model/files";
import type { AdmissionControl, MessageHandler, RefusedWorker } from "../connections/admission-control.ts";
import type { ReadySession } from "../connections/ready-session.ts";
import { CommonRefusals } from "./common-refusals.ts";
import { assertConsistentFacts, assertOwnFingerprint, assertSameCode, assertSameRun } from "./compatibility.ts";
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
  /** Largest number of updates ever committed; resuming from a checkpoint undoes later ones. */
  readonly maxUpdatesMade: number;
  /** Adds a worker. @throws LockstepError ERR_NAME if its name is taken */
  join(session: ReadySession): MessageHandler;
  /** Removes a worker whose connection has ended. */
  disconnect(session: ReadySession, reason: string): void;
  /** Ends the run, because no worker can take part for this reason. */
  giveUp(reason: LockstepError): void;
}

/** Options of an `Admission`: the team, and what workers are compared with. */
export interface AdmissionOptions {
  config: RunConfig;
  team: AdmittingTeam;
  /** The coordinator's own version of Lockstep. */
  version: string;
  /** The model that the run has already. @default none: the first worker determines it */
  initial?: InitialModel;
  /** Logs a line for each worker that cannot join. @default does nothing */
  log?: (line: string) => void;
}

/**
 * - `gathering`: when all members have left, the next worker determines the model again
 * - `running`: workers must match the first one, even after it has left
 * - `over`: no worker is admitted any more
 */
type State = { name: "gathering" } | ({ name: "running" } & RunningOptions) | { name: "over" };

/** Options of admission while a run is running. */
export interface RunningOptions {
  /** Largest number of workers that there is memory for. */
  maxWorkers: number;
  /** Is called after each worker that is admitted. @default does nothing */
  onJoined?: () => void;
}

/** Decides which workers become members of the team. */
export class Admission implements AdmissionControl {
  readonly #options: AdmissionOptions;
  readonly #refusals: CommonRefusals;
  #state: State = { name: "gathering" };
  #first: ReadySession | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#refusals = new CommonRefusals(options.team.workers);
  }

  /** The worker that others are compared with: the first one, unless all have left before the run begins. */
  get first(): ReadySession {
    if (this.#first === undefined) throw new Error("Expected a worker to have been admitted.");
    return this.#first;
  }

  /** Starts or resumes the run. */
  begin(options: RunningOptions): void {
    this.#state = { name: "running", ...options };
  }

  /** Ends the run. */
  end(): void {
    this.#state = { name: "over" };
  }

  /**
   * Admits a worker.
   *
   * @throws LockstepError with the reason to refuse it; the run ends with that error if no other worker could join
   *   either
   */
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
   * Handles a worker that gave up or was refused. Ends the run with the reason if no other worker can take part either;
   * otherwise logs it, unless the worker had joined.
   */
  onFailed(worker: RefusedWorker, error: LockstepError, session?: ReadySession): void {
    const { team, log = () => {} } = this.#options;
    const others = team.size - (session === undefined ? 0 : 1);
    const isCommon = this.#refusals.note(worker, error, team.maxUpdatesMade);
    if (isCommon && others === 0) team.giveUp(error);
    else if (session === undefined) log(`${worker.name} cannot join: ${error.code}: ${error.message}`);
  }

  /** Removes a member whose connection has ended. */
  onDisconnected(session: ReadySession, reason: string): void {
    const { team } = this.#options;
    team.disconnect(session, reason);
    if (team.size === 0 && this.#state.name === "gathering") this.#first = undefined;
  }

  /**
   * Throws if the run is over or has as many workers as there is memory for.
   *
   * @throws LockstepError ERR_OVER, ERR_FULL
   */
  #assertCapacity(): void {
    if (this.#state.name === "over") throw new LockstepError("ERR_OVER", "The run is over.");
    if (this.#state.name === "gathering" || this.#options.team.size < this.#state.maxWorkers) return;
    const text = `Expected the number of workers to be at most ${this.#state.maxWorkers}, got one more`;
    const cause = "the coordinator has too little memory to sum the gradients of more workers";
    const remedy = "start it with --sync factored, or on a machine with more memory";
    throw new LockstepError("ERR_FULL", `${text}: ${cause}; ${remedy}.`);
  }

  /** Throws if a worker's code, model or data is not that of the run. */
  #assertMatches({ ready }: ReadySession): void {
    const { config, version, initial = {} } = this.#options;
    assertSameCode(version, ready.code);
    assertConsistentFacts(ready);
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
    // Workers share the first one's facts, since a topology may have megabytes.
    if (this.#first !== undefined) session.ready = { ...this.#first.ready, linkBytesPerSecond, gemmFlopsPerSecond };
    const handle = this.#options.team.join(session);
    this.#first ??= session;
    if (this.#state.name === "running") this.#state.onJoined?.();
    return handle;
  }

  /** Returns the number of updates that the run has made now, and the largest number that it ever made. */
  #updates(): { updates: number; most: number } {
    const { team, initial: { updates = 0 } = {} } = this.#options;
    const most = Math.max(updates, team.maxUpdatesMade);
    return { updates: this.#state.name === "gathering" ? updates : team.updatesMade, most };
  }
}
