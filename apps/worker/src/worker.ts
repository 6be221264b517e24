/** A worker: one device. It joins a coordinator, computes the slices that it is given, and applies every update. */
import { hostname } from "node:os";
import type { JoinOptions } from "@lockstep/door";
import { LockstepError } from "@lockstep/errors";
import {
  CHUNK_BYTES,
  type CoordinatorMessage,
  chunksOf,
  decodeFloats,
  makeLayout,
  PartAssembly,
  PROTOCOL_VERSION,
} from "@lockstep/gradient-sync";
import { factorableLayers, initialWeights, type StateDict, tfjsTopologyOf, toStateDict } from "@lockstep/model";
import { type GivenOptions, type MachineOptions, makeConfig } from "@lockstep/run";
import {
  evaluateBatch,
  factoredKernels,
  LapClock,
  type PreparedRun,
  parameterValues,
  prepare,
  Replica,
  readState,
  takeStep,
} from "@lockstep/training";
import { type Connection, connect } from "./connection.ts";
import { CoordinatorExchange } from "./coordinator-exchange.ts";

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
  machine: MachineOptions;
  log: (line: string) => void;
}

type Message<Type extends CoordinatorMessage["type"]> = Extract<CoordinatorMessage, { type: Type }>;

/**
 * Works until the coordinator says that the run is over.
 *
 * @throws LockstepError what the coordinator refuses it for, or what is missing on this machine
 */
export async function work(options: WorkerOptions): Promise<void> {
  const { coordinator, join, model, name, dataDir, maxRows, machine, log } = options;
  const connection = await connect(coordinator, join);
  try {
    const { startEngine } = await import("@lockstep/engine");
    const engine = await startEngine({ ...machine, log });
    const { backend, libraryVersion, instructionSet, threads, device } = engine;
    const hello = { backend, libraryVersion, instructionSet, threads, device: device.name };
    const worker = name ?? `${hostname()}-${process.pid}`;
    connection.send({ type: "hello", protocol: PROTOCOL_VERSION, name: worker, ...hello });
    const welcome = await expectMessage(connection, "welcome");
    connection.heartbeat(welcome.heartbeatMs);
    const given = makeConfig(welcome.config as GivenOptions);
    const { spec, codeModel, supplied } = welcome;
    if (codeModel && model === undefined) {
      throw new LockstepError(
        "ERR_MODEL_CODE",
        `The model of this run, ${given.model}, is made by code, which is never sent. Copy its file here and name it: pnpm worker --model <path>`,
      );
    }
    const config = {
      ...given,
      ...(codeModel && { model: model! }),
      // Without a folder of its own, a worker looks in the usual place and then asks the coordinator.
      dataDir: dataDir ?? (supplied === undefined ? given.dataDir : undefined),
      maxRows: maxRows ?? given.maxRows,
    };
    const supply = supplied && { facts: supplied, fetch: connection.fetchRecords };
    const run = await prepare(config, machine, log, { spec, supply });
    try {
      connection.send(readyMessage(run));
      log(`${worker} joined ${coordinator} and waits for the others`);
      await takePart(connection, run, await expectMessage(connection, "start"));
      log("the run is over");
    } finally {
      await run.thread.close();
    }
  } finally {
    await connection.close();
  }
}

/** Does what the coordinator asks for, in order, until it says `finished`. */
async function takePart(connection: Connection, run: PreparedRun, start: Message<"start">): Promise<void> {
  const { config, thread: batches } = run;
  const replica = await makeReplica(run, start, connection);
  const layout = makeLayout(readyMessage(run).tensors, start.forms);
  const clock = new LapClock();
  const exchange = new CoordinatorExchange(connection, layout, start.wire, clock);
  for (;;) {
    const message = await connection.receive();
    switch (message.type) {
      case "assign": {
        clock.lap("wait");
        const { step, epoch, learningRate, slices } = message;
        for (const { start, end } of slices) batches.request({ part: "train", epoch, start, end });
        exchange.assign(message);
        await takeStep(
          { config, replica, batches, exchange, clock },
          { step, learningRate, slices: slices.length },
          () => {},
        );
        break;
      }
      case "evaluate": {
        const { request, part, start, end } = message;
        batches.request({ part, epoch: 0, start, end });
        connection.send({ type: "evaluation", request, ...(await evaluateBatch(replica, await batches.take())) });
        clock.finish(); // the next step begins after the evaluation
        break;
      }
      case "send-state":
        await sendState(connection, run, replica, message.request);
        clock.finish();
        break;
      case "finished":
        replica.dispose();
        return;
      default:
        throw new LockstepError("ERR_MESSAGE_ORDER", `The coordinator sent ${message.type} where a task was expected.`);
    }
  }
}

async function sendState(
  connection: Connection,
  { names }: PreparedRun,
  replica: Replica,
  request: number,
): Promise<void> {
  for (const [tensor, { weight, velocity }] of (await readState(replica, names)).entries()) {
    for (const [kind, values] of [
      ["weight", weight],
      ["velocity", velocity],
    ] as const) {
      for (const chunk of chunksOf(values, "fp32", CHUNK_BYTES)) {
        connection.send({ type: "state-chunk", request, tensor, kind, ...chunk });
      }
    }
  }
  connection.send({ type: "state-end", request });
}

function readyMessage({ loaded, names, thread }: PreparedRun) {
  const { mean, std, trainSamples, validationSamples, testSamples, classes } = thread.meta;
  const factored = factoredKernels(loaded.model, factorableLayers(loaded.model));
  const weights = loaded.model.weights;
  return {
    type: "ready" as const,
    modelName: loaded.name,
    tensors: names.map(({ name }, index) => ({ name, shape: weights[index]!.shape as number[] })),
    stateDict: names.map(({ name, torchShape }) => ({ name, shape: torchShape })),
    factorable: names.map((_, index) => factored.has(index)),
    inputShape: loaded.inputShape,
    numClasses: loaded.numClasses,
    classes: [...classes],
    ...{ mean, std, trainSamples, validationSamples, testSamples },
    topology: JSON.stringify(tfjsTopologyOf(loaded.model, names)),
  };
}

/** With weights from the seed, or with those that the coordinator sends. */
async function makeReplica(
  { config, loaded, names }: PreparedRun,
  start: Message<"start">,
  connection: Connection,
): Promise<Replica> {
  const { model } = loaded;
  const [weights, velocities] = start.stateFollows
    ? await receiveState(names, connection)
    : [toStateDict(names, await initialWeights(model, config)), undefined];
  const layers = start.forms.includes("factored") ? factorableLayers(model) : [];
  return new Replica(model, parameterValues(model, names, weights, velocities), {
    factoredLayers: layers,
    dropout: config.dropout,
  });
}

async function receiveState(names: PreparedRun["names"], connection: Connection): Promise<[StateDict, StateDict]> {
  const empty = () =>
    names.map(({ torchShape }) => new PartAssembly(torchShape.reduce((product, length) => product * length, 1)));
  const parts = { weight: empty(), velocity: empty() };
  for (;;) {
    const message = await connection.receive();
    if (message.type === "load-end") break;
    if (message.type !== "load-chunk")
      throw new LockstepError("ERR_MESSAGE_ORDER", `Expected the weights, got ${message.type}.`);
    parts[message.kind][message.tensor]!.add(message.offset, decodeFloats(message.data, "fp32"));
  }
  const dict = (assemblies: PartAssembly[]): StateDict =>
    new Map(names.map(({ name, torchShape }, index) => [name, { shape: torchShape, data: assemblies[index]!.values }]));
  return [dict(parts.weight), dict(parts.velocity)];
}

async function expectMessage<Type extends CoordinatorMessage["type"]>(
  connection: Connection,
  type: Type,
): Promise<Message<Type>> {
  const message = await connection.receive();
  if (message.type === "refused") throw new LockstepError(message.code as `ERR_${string}`, message.reason);
  if (message.type !== type) throw new LockstepError("ERR_MESSAGE_ORDER", `Expected ${type}, got ${message.type}.`);
  return message as Message<Type>;
}
