/** A worker: one device. It joins a coordinator, computes the slices that it is given, and applies every update. */
import { hostname } from "node:os";
import type { MachineOptions } from "@lockstep/config";
import { type Engine, startEngine } from "@lockstep/engine";
import { knownError, LockstepError } from "@lockstep/errors";
import type { MessageOf } from "@lockstep/gradient-sync";
import { type Resources, withResources } from "@lockstep/run";
import type { PreparedRun } from "@lockstep/training";
import type { Connection } from "./connection/connection.ts";
import { Dismissed, Inbox } from "./connection/inbox.ts";
import { isBusy, isTransient, Reconnection, type ReconnectionOptions } from "./connection/reconnection.ts";
import { helloMessage, readyMessage } from "./introduction.ts";
import { Participant } from "./participant.ts";
import { type PrepareOptions, prepareRun } from "./prepare-run.ts";

/** Options of a worker: its name, what it has, and when it is to leave. */
export interface WorkerOptions extends ReconnectionOptions, PrepareOptions {
  name?: string | undefined;
  machine: MachineOptions;
  /** Aborts when this worker is to leave after its slice. */
  signal: AbortSignal;
}

/**
 * Works until the coordinator says that the run is over, or that this worker may leave. A coordinator that goes away is
 * looked for: it may have been started again, and goes on from the weights that workers hold.
 *
 * @param connection to the coordinator, new; it is closed at the end
 * @throws LockstepError what the coordinator refuses it for, or what is missing on this machine
 */
export async function work(connection: Connection, options: WorkerOptions): Promise<void> {
  try {
    await withResources((resources) => new Worker(connection, options, resources).run());
  } catch (error) {
    if (!(error instanceof Dismissed)) throw error;
    options.log(options.signal.aborted ? "this worker has left the run" : "the coordinator has ended the run");
  }
}

/** The run that a worker takes part in: it stays prepared while the coordinator is away. */
interface JoinedRun {
  id: string;
  prepared: PreparedRun;
  participant: Participant;
}

/** `joining` until the coordinator has said welcome, `joined` from then until the connection ends. */
type WorkerState = "joining" | "joined";

/** Keeps what outlives a connection: the run, and the search for a coordinator that went away. */
class Worker {
  readonly #options: WorkerOptions;
  readonly #resources: Resources;
  readonly #name: string;
  /** The current connection, which may have ended. */
  #connection: Connection;
  #state: WorkerState = "joining";
  #run: JoinedRun | undefined;
  /** The search that is under way: it goes on until a coordinator was found that has room. */
  #reconnection: Reconnection | undefined;

  constructor(connection: Connection, options: WorkerOptions, resources: Resources) {
    this.#connection = connection;
    this.#options = options;
    this.#resources = resources;
    this.#name = options.name ?? `${hostname()}-${process.pid}`;
    resources.add(() => this.#connection.close());
    const leave = () => this.#connection.send({ type: "leaving" });
    if (options.signal.aborted) leave();
    options.signal.addEventListener("abort", leave);
    resources.add(() => options.signal.removeEventListener("abort", leave));
  }

  /** @throws Dismissed when the run is over, or this worker may leave */
  async run(): Promise<never> {
    const { machine, log } = this.#options;
    const engine = await startEngine({ ...machine, log }).catch((error) => {
      throw this.#report(error);
    });
    for (;;) {
      try {
        await this.#joinAndServe(engine);
      } catch (error) {
        this.#connection = await this.#reconnect(error);
      }
    }
  }

  /** Joins, and serves the coordinator until the connection ends. */
  async #joinAndServe(engine: Engine): Promise<never> {
    const { coordinator, log } = this.#options;
    const connection = this.#connection;
    this.#state = "joining";
    const inbox = new Inbox(connection, (message) => this.#run?.participant.handleControl(message));
    const heldState = this.#run?.participant.heldState(this.#run.id);
    connection.send(helloMessage(this.#name, engine, heldState));
    const welcome = await inbox.nextOfType("welcome");
    this.#state = "joined";
    connection.heartbeat(welcome.heartbeatMs);
    const { prepared, participant } = await this.#joinedRun(welcome, engine);
    connection.send(await readyMessage(prepared, welcome.config, connection));
    log(`${this.#name} joined ${coordinator} and waits for the others`);
    return participant.serve(connection, inbox);
  }

  /** Returns the run that the coordinator conducts, which is prepared at the first welcome and kept. */
  async #joinedRun(welcome: MessageOf<"welcome">, engine: Engine): Promise<JoinedRun> {
    const { coordinator, log } = this.#options;
    if (this.#run !== undefined) {
      if (this.#run.id !== welcome.run) throw otherRunError(coordinator);
      return this.#run;
    }
    const fetch: Connection["fetchRecords"] = (split, indexes) => this.#connection.fetchRecords(split, indexes);
    const prepared = await prepareRun(this.#options, engine, welcome, fetch);
    this.#resources.add(() => prepared.thread.close());
    const participant = new Participant(prepared, log);
    this.#resources.add(() => participant.dispose());
    this.#run = { id: welcome.run, prepared, participant };
    if (engine.device.kind === "gpu") await warmUp(participant, log);
    return this.#run;
  }

  /**
   * Looks for the coordinator again, if what ended the connection says nothing against this worker.
   *
   * @throws Dismissed if this worker is to leave
   * @throws LockstepError why it can't come again, which the coordinator hears of
   */
  async #reconnect(error: unknown): Promise<Connection> {
    const { log, reconnectMs, signal } = this.#options;
    const isTransientError = isTransient(error, this.#reconnection !== undefined);
    if (error instanceof Dismissed || (isTransientError && signal.aborted)) throw new Dismissed();
    if (!isTransientError) throw this.#report(error);
    await this.#connection.close();
    if (this.#state === "joined" && !isBusy(error)) this.#reconnection = undefined; // it had been found
    if (this.#reconnection === undefined) {
      log(`${error.message} Looking for the coordinator for ${Math.round(reconnectMs / 1000)} s.`);
    } else if (isBusy(error)) log(error.message);
    this.#reconnection ??= new Reconnection(this.#options, error);
    return this.#reconnection.connect(error, signal);
  }

  /** Lets the coordinator know what was wrong here. */
  #report(error: unknown): unknown {
    const { code, message } = knownError(error) ?? { code: "ERR_WORKER" as const, message: (error as Error).message };
    this.#connection.send({ type: "failed", code, reason: message.slice(0, 1000) });
    return error;
  }
}

/** Warms up the device before anyone waits for it, and before its speed is measured. */
async function warmUp(participant: Participant, log: (line: string) => void): Promise<void> {
  const startMs = performance.now();
  await participant.warmUp();
  log(`the GPU took its first step, on zeros, in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

function otherRunError(coordinator: string): LockstepError {
  const text = `The coordinator at ${coordinator} now conducts another run than the one that this worker took part in; start the worker again.`;
  return new LockstepError("ERR_OTHER_RUN", text);
}
