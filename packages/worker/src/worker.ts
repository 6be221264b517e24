/** A worker: one device that joins a coordinator, computes its assigned slices and applies every update. */
import { hostname } from "node:os";
import type { MachineOptions } from "@lockstep/config";
import { type Engine, startEngine } from "@lockstep/engine";
import { counted, knownError, LockstepError, messageOf } from "@lockstep/errors";
import type { MessageOf } from "@lockstep/gradient-sync";
import { makeSchedule, type Resources, withResources } from "@lockstep/run";
import type { PreparedRun } from "@lockstep/training";
import type { Connection } from "./connection/connection.ts";
import { Dismissed, Inbox } from "./connection/inbox.ts";
import { isBusy, isTransient, Reconnection, type ReconnectionOptions } from "./connection/reconnection.ts";
import { helloMessage, readyMessage } from "./introduction.ts";
import { Participant } from "./participant.ts";
import { type PrepareOptions, prepareRun, runConfigOf } from "./prepare-run.ts";

/** Options of a worker. */
export interface WorkerOptions extends ReconnectionOptions, PrepareOptions {
  /** Name of the worker. @default host name and process id */
  name?: string | undefined;
  machine: MachineOptions;
  /** Aborts when this worker is to leave after its current slice. */
  signal: AbortSignal;
}

/**
 * Works until the run is over or this worker may leave. If the coordinator goes away, the worker reconnects: a
 * restarted coordinator resumes from the weights that the workers hold.
 *
 * @param connection a new connection to the coordinator, which this function closes
 * @throws LockstepError the reason why the coordinator refused this worker, or what is missing on this machine
 */
export async function work(connection: Connection, options: WorkerOptions): Promise<void> {
  await withResources(async (resources) => {
    const worker = new Worker(connection, options, resources);
    try {
      await worker.run();
    } catch (error) {
      if (!(error instanceof Dismissed)) throw error;
      options.log(worker.lastLine());
    }
  });
}

/** The run of a worker. It stays prepared while the coordinator is away. */
interface JoinedRun {
  id: string;
  prepared: PreparedRun;
  participant: Participant;
  /** Number of steps of the whole run, by the options of its last `welcome`. */
  steps: number;
}

/** `joining` until the coordinator sends `welcome`, then `joined` until the connection ends. */
type WorkerState = "joining" | "joined";

/** Owns what outlives a connection: the run, and the attempts to reconnect. */
class Worker {
  readonly #options: WorkerOptions;
  readonly #resources: Resources;
  readonly #name: string;
  /** The current connection, which may have ended. */
  #connection: Connection;
  #state: WorkerState = "joining";
  #run: JoinedRun | undefined;
  /** The attempts to reconnect that are under way, until the coordinator has sent `welcome`. */
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

  /** Starts the engine and serves the coordinator, over one connection after another. @throws Dismissed at the end */
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

  /** Returns the last line of a worker that is dismissed; a coordinator also releases its workers when it stops. */
  lastLine(): string {
    if (this.#options.signal.aborted) return "this worker has left the run";
    const { participant, steps } = this.#run ?? {};
    const done = participant?.doneSteps ?? 0;
    if (done === steps) return `the run is finished: all ${counted(done, "step")} are done`;
    return `the coordinator has released this worker after ${counted(done, "step")}`;
  }

  /** Joins the run and serves the coordinator until the connection ends. */
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
    const run = await this.#joinedRun(welcome, engine);
    const { prepared, participant } = run;
    run.steps = makeSchedule(runConfigOf(welcome), prepared.thread.meta).steps;
    connection.send(await readyMessage(prepared, welcome.config, connection));
    log(`${this.#name} joined ${coordinator}`);
    return participant.serve(connection, inbox);
  }

  /** Returns the coordinator's run, which is prepared at the first `welcome`. */
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
    this.#run = { id: welcome.run, prepared, participant, steps: 0 };
    if (engine.device.kind === "gpu") await warmUp(participant, log);
    return this.#run;
  }

  /**
   * Reconnects to the coordinator after an error that permits it.
   *
   * @throws Dismissed if this worker is to leave
   * @throws LockstepError any other error, which is reported to the coordinator first
   */
  async #reconnect(error: unknown): Promise<Connection> {
    const { log, reconnectMs, signal } = this.#options;
    const isTransientError = isTransient(error, { isReconnecting: this.#reconnection !== undefined });
    if (error instanceof Dismissed || (isTransientError && signal.aborted)) throw new Dismissed();
    if (!isTransientError) throw this.#report(error);
    await this.#connection.close();
    if (this.#state === "joined" && !isBusy(error)) this.#reconnection = undefined; // the coordinator had accepted it
    if (this.#reconnection === undefined) {
      log(`${error.message} Trying to reconnect for ${Math.round(reconnectMs / 1000)} s.`);
    } else if (isBusy(error)) log(error.message);
    this.#reconnection ??= new Reconnection(this.#options, error);
    return this.#reconnection.connect(error, signal);
  }

  /** Reports a failure to the coordinator, and returns it. */
  #report(error: unknown): unknown {
    const { code, message } = knownError(error) ?? { code: "ERR_WORKER" as const, message: messageOf(error) };
    this.#connection.send({ type: "failed", code, reason: message.slice(0, 1000) });
    return error;
  }
}

/** Warms up the GPU before the first step, and before its speed is measured. */
async function warmUp(participant: Participant, log: (line: string) => void): Promise<void> {
  const startMs = performance.now();
  await participant.warmUp();
  log(`warmed up the GPU with a step on zeros in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

function otherRunError(coordinator: string): LockstepError {
  const text = `The coordinator at ${coordinator} now trains a different run from the one that this worker joined. Restart the worker.`;
  return new LockstepError("ERR_OTHER_RUN", text);
}
