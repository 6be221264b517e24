/** A worker: one device. It joins a coordinator, computes the slices that it is given, and applies every update. */
import { hostname } from "node:os";
import { type GivenOptions, type MachineOptions, makeConfig } from "@lockstep/config";
import { bitProperties, describeDevice, type Engine, startEngine } from "@lockstep/engine";
import { excerpt, knownError, LockstepError } from "@lockstep/errors";
import { PROTOCOL_VERSION } from "@lockstep/gradient-sync";
import { isKnownModel } from "@lockstep/model";
import { type Resources, withResources } from "@lockstep/run";
import { type PreparedRun, prepare } from "@lockstep/training";
import type { Connection } from "./connection/connection.ts";
import { Dismissed, Inbox, type ReceivedMessage } from "./connection/inbox.ts";
import { isBusy, isPassing, Search, type SearchOptions } from "./connection/search.ts";
import { connect } from "./connection/socket-connection.ts";
import { Participant } from "./participant.ts";
import { readyMessage } from "./ready.ts";

export interface WorkerOptions extends SearchOptions {
  /** This machine's copy of a model that is made by code. */
  model?: string | undefined;
  name?: string | undefined;
  /** Where this machine has the data set's files. */
  dataDir?: string | undefined;
  maxRows?: number | undefined;
  machine: MachineOptions;
  log: (line: string) => void;
  /** Called with what makes this worker leave after its slice. */
  onLeave: (leave: () => void) => void;
}

/**
 * Works until the coordinator says that the run is over, or that this worker may leave. A coordinator that goes away is
 * looked for: it may have been started again, and goes on from the weights that workers hold.
 *
 * @throws LockstepError what the coordinator refuses it for, or what is missing on this machine
 */
export async function work(options: WorkerOptions): Promise<void> {
  const leave = new AbortController();
  try {
    await withResources((resources) => workUntilDismissed(options, leave, resources));
  } catch (error) {
    if (!(error instanceof Dismissed)) throw error;
    options.log(leave.signal.aborted ? "this worker has left the run" : "the coordinator has ended the run");
  }
}

async function workUntilDismissed(
  options: WorkerOptions,
  leave: AbortController,
  resources: Resources,
): Promise<never> {
  const { coordinator, join, reconnectMs, log, onLeave } = options;
  let connection = await connect(coordinator, join);
  resources.add(() => connection.close());
  onLeave(() => {
    leave.abort();
    connection.send({ type: "leaving" });
  });
  const engine = await startEngine({ ...options.machine, log }).catch((error) => {
    throw tell(connection, error);
  });
  const hello = helloOf(options, engine);
  let search: Search | undefined;
  let run: { prepared: PreparedRun; participant: Participant; id: string } | undefined;
  for (;;) {
    const inbox = new Inbox(connection, (message) => run?.participant.handleControl(message));
    let welcomed = false;
    try {
      const holds = run?.participant.held(run.id);
      connection.send({ ...hello, ...(holds && { holds }) });
      const welcome = await inbox.expect("welcome");
      welcomed = true;
      connection.heartbeat(welcome.heartbeatMs);
      if (run !== undefined && run.id !== welcome.run) throw otherRun(coordinator);
      if (run === undefined) {
        const prepared = await prepareRun(options, engine, welcome, () => connection);
        resources.add(() => prepared.thread.close());
        const participant = new Participant(prepared, log);
        resources.add(() => participant.dispose());
        run = { prepared, participant, id: welcome.run };
        if (engine.device.kind === "gpu") await warmedUp(run.participant, log);
      }
      connection.send(await readyMessage(run.prepared, welcome.config, connection));
      log(`${hello.name} joined ${coordinator} and waits for the others`);
      await run.participant.serve(connection, inbox);
    } catch (error) {
      const passes = isPassing(error, search !== undefined);
      if (error instanceof Dismissed || (passes && leave.signal.aborted)) throw new Dismissed();
      if (!passes) throw tell(connection, error);
      await connection.close();
      if (welcomed && !isBusy(error)) search = undefined; // it had been found
      const looking = `Looking for the coordinator for ${Math.round(reconnectMs / 1000)} s.`;
      if (search === undefined) log(`${error.message} ${looking}`);
      else if (isBusy(error)) log(error.message);
      search ??= new Search(options, error);
      connection = await search.connect(error, leave.signal);
    }
  }
}

function helloOf({ name = `${hostname()}-${process.pid}` }: WorkerOptions, engine: Engine) {
  const device = describeDevice(engine.device);
  return { type: "hello" as const, protocol: PROTOCOL_VERSION, name, device, ...bitProperties(engine) };
}

/** Before it is waited for, and before its speed is measured. */
async function warmedUp(participant: Participant, log: (line: string) => void): Promise<void> {
  const startMs = performance.now();
  await participant.warmUp();
  log(`the GPU took its first step, on zeros, in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

async function prepareRun(
  { model, dataDir, maxRows, machine, log }: WorkerOptions,
  engine: Engine,
  { config, spec, codeModel, supplied }: Extract<ReceivedMessage, { type: "welcome" }>,
  connection: () => Connection,
): Promise<PreparedRun> {
  const given = makeConfig(config as GivenOptions);
  if (codeModel && model === undefined) {
    throw new LockstepError(
      "ERR_MODEL_CODE",
      `The model of this run, ${excerpt(given.model)}, is made by code, which is never sent. Copy its file here and name it: pnpm worker --model <path>`,
    );
  }
  if (!codeModel && spec === undefined && !isKnownModel(given.model)) {
    const text = `Expected the coordinator to name a model that Lockstep has, or to send one as data, got ${excerpt(given.model)}`;
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

/** Lets the coordinator know what was wrong here. */
function tell(connection: Connection, error: unknown): unknown {
  const { code, message } = knownError(error) ?? { code: "ERR_WORKER" as const, message: (error as Error).message };
  connection.send({ type: "failed", code, reason: message.slice(0, 1000) });
  return error;
}

function otherRun(coordinator: string): LockstepError {
  const text = `The coordinator at ${coordinator} now conducts another run than the one that this worker took part in; start the worker again.`;
  return new LockstepError("ERR_OTHER_RUN", text);
}
