/** Records what the coordinator sends to a worker in a short honest run of two workers with a small model. */

import { makeConfig } from "@lockstep/config";
import type { Batch, SliceRequest } from "@lockstep/dataset";
import { elementCount } from "@lockstep/formats";
import { encode, type Plan, PROTOCOL_VERSION, toStep } from "@lockstep/gradient-sync";
import { loadModel, type StateDictName, stateDictNames } from "@lockstep/model";
import type { PreparedRun } from "@lockstep/training";
import { type Connection, connect, Dismissed, Inbox, Participant, readyMessage } from "@lockstep/worker";
import { mulberry32 } from "../pytorch/counter-numbers.ts";
import { listeningTeam, preparedRun } from "../testing/team-in-one-process.ts";

const spec = {
  name: "micro",
  inputShape: [4, 4, 3],
  layers: [
    { type: "conv", name: "conv", filters: 2, kernel: 3, stride: 1, padding: 1, activation: "relu" }, // [batch, 4, 4, 2]
    { type: "flatten" }, //                                                                              [batch, 32]
    { type: "dense", name: "hidden", units: 4, activation: "relu" }, //                                  [batch, 4]
    { type: "dropout", rate: 0.5 },
    { type: "dense", name: "logits", units: 3 }, //                                                      [batch, 3]
  ],
};
const BATCH = 6;
const STEPS = 4;
const sizes = { trainSamples: BATCH * STEPS, validationSamples: 200 };
const config = makeConfig({ batchSize: BATCH });
/** Factored kernels of dense layers, everything else dense, in chunks of 16 numbers. */
const plan: Plan = {
  forms: ["dense", "dense", "factored", "dense", "factored", "dense"],
  wire: "fp32",
  chunkBytes: 64,
};

function batchOf({ split: part, epoch, start, end }: SliceRequest): Batch {
  const samples = end - start;
  const images = Float32Array.from(
    { length: samples * 48 },
    (_, i) => mulberry32(start + part.length, i + epoch) - 0.5,
  );
  const labels = Int32Array.from({ length: samples }, (_, i) => (start + i) % 3);
  const sampleIds = Uint32Array.from({ length: samples }, (_, i) => start + i);
  return { images, labels, sampleIds, samples, height: 4, width: 4, channels: 3 };
}

/** Makes a new model and its data. */
export async function freshRun(): Promise<PreparedRun> {
  const run = preparedRun(config, await loadModel("micro", { spec }), { ...sizes, batchOf });
  // The wasm backend measures its speed with a small product.
  return { ...run, engine: { ...run.engine, backend: "wasm" } };
}

/** What a worker received. */
export interface RecordedRun {
  /** Frames from `start` to `finished`. */
  frames: Buffer[];
  /** Digests of weights and momentum by number of updates. */
  digests: string[];
}

/** Runs a coordinator and two workers, and records one of them. */
export async function recordRun(): Promise<RecordedRun> {
  const { team, server, url } = await listeningTeam(config, 2);
  const recorded: RecordedRun = { frames: [], digests: [] };
  const ended = [joinRun(url, "recorded", recorded), joinRun(url, "other", { frames: [], digests: [] })];
  await team.until(() => team.size === 2);
  const loaded = await loadModel("micro", { spec });
  const tensors = stateOf(stateDictNames(loaded.model, loaded.spec));
  await team.begin({ plan, source: { from: "state", tensors, step: 0 }, sliceRows: 2 });
  for (let step = 0; step < STEPS; step++) {
    await team.checkReplicas();
    const state = team.captureState().read(); // is read during the step
    const task = { type: "step" as const, epoch: 0, step: toStep(step), start: step * BATCH, end: (step + 1) * BATCH };
    await team.step({ ...task, learningRate: 0.1 }, () => {});
    await state;
    await team.evaluate({ type: "evaluate", split: "validation", samples: 200, epoch: 0, step });
  }
  await team.checkReplicas();
  team.finish();
  await Promise.all(ended);
  await server.close();
  return recorded;
}

async function joinRun(url: string, name: string, recorded: RecordedRun): Promise<void> {
  const connection = recording(await connect(url, {}), recorded);
  const device = { backend: "b", libraryVersion: "v", instructionSet: "i", threads: 1, device: "d" };
  connection.send({ type: "hello", protocol: PROTOCOL_VERSION, name, ...device });
  const run = await freshRun();
  const participant = new Participant(run, () => {});
  const inbox = new Inbox(connection, (message) => participant.handleControl(message));
  const welcome = await inbox.nextOfType("welcome");
  connection.heartbeat(welcome.heartbeatMs);
  connection.send(await readyMessage(run, welcome.config, connection));
  await participant.serve(connection, inbox).catch((error: unknown) => {
    if (!(error instanceof Dismissed)) throw error;
  });
  participant.dispose();
  await connection.close();
}

/** Wraps a connection, and records the frames of the coordinator and the digests of the worker. */
function recording(connection: Connection, recorded: RecordedRun): Connection {
  return {
    linkBytesPerSecond: connection.linkBytesPerSecond,
    get isIdle() {
      return connection.isIdle;
    },
    async receive() {
      const message = await connection.receive();
      if (message.type !== "welcome") recorded.frames.push(encode(message));
      return message;
    },
    send(message) {
      if (message.type === "digest-result") recorded.digests.push(message.digest);
      connection.send(message);
    },
    sendPiece: (...piece) => connection.sendPiece(...piece),
    heartbeat: (intervalMs) => connection.heartbeat(intervalMs),
    fetchRecords: (...request) => connection.fetchRecords(...request),
    close: () => connection.close(),
  };
}

function stateOf(names: readonly StateDictName[]) {
  return names.map(({ name, torchShape }, tensor) => {
    const elements = elementCount(torchShape);
    const weight = Float32Array.from({ length: elements }, (_, i) => mulberry32(tensor + 100, i) - 0.5);
    return { name, shape: torchShape, weight, velocity: new Float32Array(elements) };
  });
}
