/** A worker: one device. It joins a coordinator, computes the slices that it is given, and applies every update. */
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { JoinOptions } from "@lockstep/door";
import { LockstepError } from "@lockstep/errors";
import { PROTOCOL_VERSION } from "@lockstep/gradient-sync";
import { isKnownModel } from "@lockstep/model";
import { type GivenOptions, type MachineOptions, makeConfig } from "@lockstep/run";
import { type PreparedRun, prepare } from "@lockstep/training";
import { type Connection, connect } from "./connection.ts";
import { Dismissed, Inbox, type Told } from "./inbox.ts";
import { Participant } from "./participant.ts";
import { readyMessage } from "./ready.ts";

export interface WorkerOptions {
  /** ws://host:port, or wss:// */
  coordinator: string;
  /** What the coordinator wants to see of this worker, and this worker of it. */
  join: JoinOptions;
  /** This machine's copy of a model that is made by code. */
  model?: string | undefined;
  name?: string | undefined;
  /** Where this machine has the data set's files. */
  dataDir?: string | undefined;
  maxRows?: number | undefined;
  /** For how long a coordinator that went away is looked for. */
  reconnectMs: number;
  machine: MachineOptions;
  log: (line: string) => void;
  /** Called with what makes this worker leave after its slice. */
  onLeave: (leave: () => void) => void;
}

/** Reasons for which a connection ends that say nothing against this worker: it may come again. */
const PASSING = ["ERR_DISCONNECTED", "ERR_CONNECT", "ERR_SILENT", "ERR_STALLED", "ERR_SLOW_READER", "ERR_STATE_LOST"];
/** It may be that this worker's own last connection counts there still. */
const BUSY = ["ERR_FULL", "ERR_LIMITED"];
/** How long it waits before the first try to come again; twice as long before each further one, up to the second. */
const BACKOFF_MS = { first: 250, longest: 2000 };

/**
 * Works until the coordinator says that the run is over, or that this worker may leave. A coordinator that goes away is
 * looked for: it may have been started again, and goes on from the weights that workers hold.
 *
 * @throws LockstepError what the coordinator refuses it for, or what is missing on this machine
 */
export async function work(options: WorkerOptions): Promise<void> {
  const { coordinator, join, reconnectMs, log, onLeave } = options;
  let connection = await connect(coordinator, join);
  const leave = new AbortController();
  onLeave(() => {
    leave.abort();
    connection.send({ type: "leaving" });
  });
  const { describeDevice, startEngine } = await import("@lockstep/engine"); // after connecting: it takes long
  const engine = await startEngine({ ...options.machine, log });
  const { backend, libraryVersion, instructionSet, threads } = engine;
  const hello = {
    ...{ type: "hello" as const, protocol: PROTOCOL_VERSION, name: options.name ?? `${hostname()}-${process.pid}` },
    ...{ device: describeDevice(engine.device), backend, libraryVersion, instructionSet, threads },
  };
  let run: { prepared: PreparedRun; participant: Participant; id: string } | undefined;
  try {
    for (;;) {
      const inbox = new Inbox(connection, (message) => run?.participant.aside(message));
      try {
        const holds = run?.participant.held(run.id);
        connection.send({ ...hello, ...(holds && { holds }) });
        const welcome = await inbox.expect("welcome");
        connection.heartbeat(welcome.heartbeatMs);
        if (run !== undefined && run.id !== welcome.run) throw otherRun(coordinator);
        if (run === undefined) {
          const prepared = await prepareRun(options, engine, welcome, () => connection);
          run = { prepared, participant: new Participant(prepared, log), id: welcome.run };
          if (engine.device.kind === "gpu") await warmedUp(run.participant, log);
        }
        connection.send(await readyMessage(run.prepared, welcome.config, connection));
        log(`${hello.name} joined ${coordinator} and waits for the others`);
        await run.participant.takePart(connection, inbox);
      } catch (error) {
        const lost = error instanceof LockstepError && PASSING.includes(error.code) ? error : undefined;
        if (error instanceof Dismissed || (lost !== undefined && leave.signal.aborted)) throw new Dismissed();
        if (lost === undefined || run === undefined) throw tell(connection, error);
        log(`${lost.message} Looking for the coordinator for ${Math.round(reconnectMs / 1000)} s.`);
        await connection.close();
        connection = await comeAgain(options, lost, leave.signal);
      }
    }
  } catch (error) {
    if (!(error instanceof Dismissed)) throw error;
    log("the run is over, or goes on without this worker");
  } finally {
    run?.participant.dispose();
    await run?.prepared.thread.close();
    await connection.close();
  }
}

/** Before it is waited for, and before its speed is measured. */
async function warmedUp(participant: Participant, log: (line: string) => void): Promise<void> {
  const startMs = performance.now();
  await participant.warmUp();
  log(`the GPU took its first step, on zeros, in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

async function prepareRun(
  { model, dataDir, maxRows, machine, log }: WorkerOptions,
  engine: PreparedRun["engine"],
  { config, spec, codeModel, supplied }: Extract<Told, { type: "welcome" }>,
  connection: () => Connection,
): Promise<PreparedRun> {
  const given = makeConfig(config as GivenOptions);
  if (codeModel && model === undefined) {
    throw new LockstepError(
      "ERR_MODEL_CODE",
      `The model of this run, ${given.model}, is made by code, which is never sent. Copy its file here and name it: pnpm worker --model <path>`,
    );
  }
  if (!codeModel && spec === undefined && !isKnownModel(given.model)) {
    const text = `Expected the coordinator to name a model that Lockstep has, or to send one as data, got ${given.model}`;
    throw new LockstepError("ERR_MODEL", `${text}; a file of this machine is loaded only if --model names it here.`);
  }
  const own = {
    ...given,
    ...(codeModel && { model: model! }),
    // Without a folder of its own, a worker looks in the usual place and then asks the coordinator.
    dataDir: dataDir ?? (supplied === undefined ? given.dataDir : undefined),
    maxRows: maxRows ?? given.maxRows,
  };
  const fetch: Connection["fetchRecords"] = (part, indexes) => connection().fetchRecords(part, indexes);
  return prepare(own, machine, log, { engine, spec, supply: supplied && { facts: supplied, fetch } });
}

/**
 * Tries to connect again and again, at random intervals, so that many workers do not all come at once.
 *
 * @throws Dismissed if it is to leave meanwhile
 */
async function comeAgain(
  { coordinator, join, reconnectMs }: WorkerOptions,
  lost: LockstepError,
  leave: AbortSignal,
): Promise<Connection> {
  const untilMs = performance.now() + reconnectMs;
  for (let waitMs = BACKOFF_MS.first; ; waitMs = Math.min(2 * waitMs, BACKOFF_MS.longest)) {
    await pause(waitMs * (0.5 + Math.random() / 2), undefined, { signal: leave }).catch(() => {});
    if (leave.aborted) throw new Dismissed();
    try {
      const connection = await connect(coordinator, join);
      if (!leave.aborted) return connection;
      await connection.close();
      throw new Dismissed();
    } catch (error) {
      if (!(error instanceof LockstepError) || ![...PASSING, ...BUSY].includes(error.code)) throw error;
      if (performance.now() < untilMs) continue;
      const text = `${lost.message} It did not come back within ${Math.round(reconnectMs / 1000)} s.`;
      throw new LockstepError("ERR_DISCONNECTED", `${text} Its --resume goes on from the last checkpoint.`, {
        cause: error,
      });
    }
  }
}

/** Lets the coordinator know what was wrong here. */
function tell(connection: Connection, error: unknown): unknown {
  const code = error instanceof LockstepError ? error.code : "ERR_WORKER";
  connection.send({ type: "failed", code, reason: (error as Error).message.slice(0, 1000) });
  return error;
}

function otherRun(coordinator: string): LockstepError {
  const text = `Another run is at ${coordinator} now than the one that this worker took part in; start the worker again.`;
  return new LockstepError("ERR_OTHER_RUN", text);
}
