/** A coordinator: gathers the workers, then conducts the run. It needs no TensorFlow. */
import { cifar10Files, defaultDataDir, openRecordSource, type RecordSource } from "@lockstep/dataset";
import type { DoorSettings } from "@lockstep/door";
import { LockstepError } from "@lockstep/errors";
import type { GradientForm } from "@lockstep/gradient-sync";
import { type ModelFile, type TfjsTopology, tfjsTopologySchema, writeTfjsModel } from "@lockstep/model/files";
import {
  type Checkpoint,
  conduct,
  type Derived,
  type Display,
  holdRunFolder,
  makeSchedule,
  type ParameterState,
  Recorder,
  type RunConfig,
  type RunFolder,
  readWeights,
  watchInterrupts,
  writeJson,
} from "@lockstep/run";
import type { Balance } from "./balance.ts";
import { RemoteTeam } from "./remote-team.ts";
import { listen, type Session } from "./sessions.ts";

export interface CoordinatorOptions {
  config: RunConfig;
  /** How many workers the run waits for. */
  workers: number;
  /** Where it listens, and who may join. */
  door: DoorSettings;
  heartbeatMs: number;
  balance: Balance;
  folder: RunFolder;
  /** What --model names: sent to the workers if it is data. */
  model: ModelFile;
  display: Display;
  /** Version of Lockstep. */
  version: string;
  /** What a resumed run goes on from. */
  resumed?: Checkpoint | undefined;
  /** Weights to begin with, for --init-from. */
  state?: readonly ParameterState[] | undefined;
  /** Rejects when the workers that are waited for cannot come. @default they always can */
  workersFailed?: Promise<never>;
  /** Called once workers can connect. */
  onListening: (port: number) => void;
}

/** @returns whether the schedule was done to its end */
export async function coordinate(options: CoordinatorOptions): Promise<"finished" | "interrupted"> {
  const { config, workers, door, heartbeatMs, display } = options;
  const sessions: Session[] = [];
  let team: RemoteTeam | undefined;
  const { model } = options;
  const letGo = holdRunFolder(options.folder);
  const source = recordsHere(config); // listening does not wait for it
  const spec = model.kind === "spec" ? { spec: model.spec } : {};
  const welcome = source.then((records) => ({
    ...{ config: { ...config }, codeModel: model.kind === "code", ...spec },
    ...(records && { supplied: records.facts }),
  }));
  const noRecords = new Promise<never>((_, reject) => welcome.catch(reject));
  noRecords.catch(() => {}); // whoever waits for the workers hears of it
  const { promise: gathered, resolve: allHere } = promiseWithResolver();
  const server = await listen({
    door,
    heartbeatMs,
    welcome,
    records: source,
    events: {
      joined: (session) => {
        const reason =
          team !== undefined ? `The run has its ${workers} workers already.` : mismatch(sessions[0], session);
        if (reason !== undefined) return reason;
        parseTopology(session.ready.topology); // its error refuses the worker, now and not when the run is over
        sessions.push(session);
        display.line(
          `${session.hello.name} joined: ${session.hello.device}, ${session.hello.backend} (${sessions.length} of ${workers})`,
        );
        if (sessions.length === workers) allHere();
        return undefined;
      },
      message: (session, message) => team?.take(session, message),
      lost: (session, reason) => {
        if (team !== undefined) return team.lose(session, reason);
        sessions.splice(sessions.indexOf(session), 1);
        display.line(`${session.hello.name} left: ${reason} (${sessions.length} of ${workers})`);
      },
    },
  });
  try {
    options.onListening(server.port);
    const failures = [noRecords, ...(options.workersFailed ? [options.workersFailed] : [])];
    await Promise.race([gathered, ...failures]); // all have built the model
    const outcome = await runWith(sessions, options, (made) => (team = made));
    team?.finish();
    if (team !== undefined) display.line(trafficLine(team, sessions));
    if (outcome === "finished") await writeTfjs(sessions[0]!, options.folder);
    return outcome;
  } finally {
    letGo();
    await source.then((records) => records?.close()).catch(() => {}); // told already
    await server.close();
  }
}

async function runWith(sessions: Session[], options: CoordinatorOptions, made: (team: RemoteTeam) => void) {
  const { config, folder, display, resumed, state } = options;
  const { ready } = sessions[0]!;
  const schedule = makeSchedule(config, ready, resumed?.step);
  const { modelName, inputShape, numClasses, classes, mean, std, trainSamples, validationSamples, testSamples } = ready;
  const parameters = parametersOf(sessions[0]!);
  const { stepsPerEpoch, steps } = schedule;
  const spec = options.model.kind === "spec" ? { spec: options.model.spec } : {};
  const derived: Derived = {
    ...spec,
    ...{ lockstep: options.version, modelName, parameters, inputShape, numClasses, classes, mean, std },
    ...{ trainSamples, validationSamples, testSamples, stepsPerEpoch, steps },
  };
  writeJson(folder.config, { ...config, machine: {}, derived });
  const forms = ready.factorable.map((can): GradientForm => (can && config.sync !== "dense" ? "factored" : "dense"));
  const team = new RemoteTeam({
    sessions,
    forms,
    wire: config.wire,
    sliceRows: config.sliceRows,
    balance: options.balance,
    state: resumed?.tensors ?? state,
  });
  made(team);
  const recorder = new Recorder({
    folder,
    config,
    schedule,
    modelName,
    classes,
    display,
    startedAt: new Date(),
    resumed,
  });
  const [doneSteps, endedSteps] = [resumed?.step ?? 0, resumed?.progress.endedSteps ?? 0];
  // Until now there was nothing to save, so an interrupt just ended the process.
  const interrupts = watchInterrupts(() => display.line("stopping after this step; Ctrl-C again stops at once"));
  try {
    return await conduct({ schedule, team, recorder, doneSteps, endedSteps, stopRequested: interrupts.requested });
  } finally {
    interrupts.unwatch();
  }
}

/** What travelled, beside what the gradients would weigh as they are. */
function trafficLine({ travelled }: RemoteTeam, sessions: Session[]): string {
  const { steps, bytesUp, bytesDown } = travelled;
  const denseBytes = 4 * parametersOf(sessions[0]!);
  const megabytes = (bytes: number) => (bytes / Math.max(1, steps * sessions.length) / 1e6).toFixed(1);
  return `sent by a worker in a step: ${megabytes(bytesUp)} MB, received ${megabytes(bytesDown)} MB; a dense fp32 gradient has ${(denseBytes / 1e6).toFixed(1)} MB`;
}

const parametersOf = ({ ready }: Session) =>
  ready.tensors.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);

/** The data set's records, for workers without files; undefined if they are not here either. */
async function recordsHere({ dataset, dataDir }: RunConfig): Promise<RecordSource | undefined> {
  if (dataset !== "cifar10" || cifar10Files(dataDir ?? defaultDataDir(dataset)) === undefined) return undefined;
  return openRecordSource(dataset, { dataDir });
}

/** The model for browsers: the layers as the first worker told them, with the run's final weights. */
async function writeTfjs({ ready }: Session, folder: RunFolder): Promise<void> {
  await writeTfjsModel(folder.tfjs, parseTopology(ready.topology), readWeights(folder, ready.modelName));
}

/** @throws LockstepError ERR_TOPOLOGY for anything else than the JSON of a topology */
function parseTopology(text: string): TfjsTopology {
  try {
    return tfjsTopologySchema.parse(JSON.parse(text));
  } catch (cause) {
    const remedy = "use the same version of Lockstep on all machines";
    throw new LockstepError("ERR_TOPOLOGY", `Expected the topology of a TensorFlow.js model; ${remedy}.`, { cause });
  }
}

/** What differs between two workers' ideas of the run; undefined if nothing does. */
function mismatch(first: Session | undefined, other: Session): string | undefined {
  if (first === undefined) return undefined;
  const [a, b] = [first.ready, other.ready];
  const field = (Object.keys(a) as (keyof typeof a)[]).find(
    (key) => key !== "topology" && JSON.stringify(a[key]) !== JSON.stringify(b[key]),
  );
  if (field === undefined) return undefined;
  const short = (value: unknown) => JSON.stringify(value).slice(0, 200);
  return `Its ${field} is ${short(b[field])}, but ${first.hello.name} has ${short(a[field])}; give both the same model, data and version.`;
}

function promiseWithResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
