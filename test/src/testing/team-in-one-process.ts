/** Runs a coordinator's team and its workers in this process, over real sockets, so that tests can inspect them. */

import { makeConfig, type RunConfig } from "@lockstep/config";
import { RemoteTeam, serveSessions } from "@lockstep/coordinator";
import type { Batch, BatchThread, SliceRequest } from "@lockstep/dataset";
import { CHUNK_BYTES, PROTOCOL_VERSION, planForms } from "@lockstep/gradient-sync";
import type { LoadedModel } from "@lockstep/model";
import { stateDictNames } from "@lockstep/model";
import type { ParameterState } from "@lockstep/run";
import { defined } from "@lockstep/testing";
import type { PreparedRun } from "@lockstep/training";
import { connect, Dismissed, Inbox, Participant, readyMessage } from "@lockstep/worker";

/** Workers, model and data of a team. */
export interface TeamOptions {
  workers: number;
  config: Partial<RunConfig>;
  /** Makes a model for each worker. */
  load: () => Promise<LoadedModel>;
  /** Returns the samples [start, end) of the training data. */
  batchOf: (slice: SliceRequest) => Batch;
  trainSamples: number;
  /** Initial weights and momentum. */
  state: ParameterState[];
}

/** A team that is ready for its first step. */
export interface TeamInOneProcess {
  team: RemoteTeam;
  close: () => Promise<void>;
}

const HEARTBEAT_MS = 5000; // all compute on the thread that sends the heartbeats

/** Starts a team on loopback that no worker has joined yet. */
export async function listeningTeam(config: RunConfig, workers: number) {
  const nowMs = () => performance.now();
  const limits = { workers, heartbeatMs: HEARTBEAT_MS, stallMs: 60_000, minWorkers: 1 };
  const team = new RemoteTeam({ ...limits, balance: "even", runId: "r", maxLogBytes: 2 ** 28, log: () => {}, nowMs });
  const server = await serveSessions({
    listen: { host: "127.0.0.1", port: 0, anyPort: true },
    heartbeatMs: HEARTBEAT_MS,
    stallMs: 60_000,
    nowMs,
    welcome: Promise.resolve({ run: "r", config: { ...config }, codeModel: false }),
    records: Promise.resolve(undefined),
    admission: {
      admit: (session) => team.join(session),
      onDisconnected: (session, reason) => team.disconnect(session, reason),
    },
  });
  return { team, server, url: `ws://127.0.0.1:${server.port}` };
}

/** Starts a team, lets its workers join, and starts the run. */
export async function teamInOneProcess(options: TeamOptions): Promise<TeamInOneProcess> {
  const config = makeConfig({ ...options.config });
  const { team, server, url } = await listeningTeam(config, options.workers);
  const ended = Array.from({ length: options.workers }, (_, index) => joinRun(url, `worker-${index}`, config, options));
  await Promise.race([team.until(() => team.size === options.workers), ...ended]);
  const { tensors, factorable } = defined(team.members[0]).session.ready;
  const { sync, wire, batchSize, sliceRows } = config;
  const plan = { forms: planForms({ tensors, factorable, sync, wire, batchSize }), wire, chunkBytes: CHUNK_BYTES };
  await team.begin({ plan, source: { from: "state", tensors: options.state, step: 0 }, sliceRows });
  const close = async () => {
    team.finish();
    await Promise.all(ended);
    await server.close();
  };
  return { team, close };
}

async function joinRun(url: string, name: string, config: RunConfig, { load, ...data }: TeamOptions): Promise<void> {
  const connection = await connect(url, {});
  const hello = { backend: "b", libraryVersion: "v", instructionSet: "i", threads: 1, device: "d" };
  connection.send({ type: "hello", protocol: PROTOCOL_VERSION, name, ...hello });
  const run = preparedRun(config, await load(), data);
  const participant = new Participant(run, () => {});
  const inbox = new Inbox(connection, (message) => participant.handleControl(message));
  const welcome = await inbox.nextOfType("welcome");
  connection.heartbeat(welcome.heartbeatMs);
  connection.send(await readyMessage(run, welcome.config, connection));
  try {
    await participant.serve(connection, inbox);
  } catch (error) {
    if (!(error instanceof Dismissed)) throw error;
  } finally {
    participant.dispose();
    await connection.close();
  }
}

/** Returns a prepared run whose batches are made on request. */
export function preparedRun(
  config: RunConfig,
  loaded: LoadedModel,
  data: Pick<TeamOptions, "batchOf" | "trainSamples"> & { validationSamples?: number },
): PreparedRun {
  const requests: SliceRequest[] = [];
  const sizes = { trainSamples: data.trainSamples, validationSamples: data.validationSamples ?? 0, testSamples: 0 };
  const [height, width, channels] = loaded.inputShape;
  const classes = Array.from({ length: loaded.numClasses }, (_, index) => `${index}`);
  const thread: BatchThread = {
    meta: { dataset: "shapes", classes, ...sizes, height, width, channels, mean: [0.5], std: [0.5] },
    request: (slice) => requests.push(slice),
    next: async () => data.batchOf(defined(requests.shift())),
    close: async () => {},
  };
  const device = { kind: "cpu" as const, name: "d" };
  const engine = {
    backend: "native" as const,
    device,
    libraryVersion: "v",
    instructionSet: "i",
    threads: 1,
    skipped: [],
  };
  const names = stateDictNames(loaded.model, loaded.spec);
  const own = { written: new Map(), constant: new Map() };
  return { config, machine: {}, engine, maxRows: undefined, loaded, own, names, thread };
}
