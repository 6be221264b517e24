/** A coordinator: gathers the workers, then conducts the run. It needs no TensorFlow. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { MachineOptions, RunConfig } from "@lockstep/config";
import { cifar10Files, defaultDataDir, openRecordSource, type RecordSource } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import type { Lease } from "@lockstep/files";
import { writeTfjsModel } from "@lockstep/formats";
import { ARITHMETIC_VERSION } from "@lockstep/gradient-sync";
import { type ModelFile, prefixLine } from "@lockstep/model/files";
import {
  type Checkpoint,
  type ComputedWith,
  type Controls,
  conduct,
  type Derived,
  type Display,
  differentBitsLine,
  eventTeller,
  groupDevices,
  holdRunFolder,
  keepEvents,
  makeSchedule,
  mergeDevices,
  type ParameterState,
  Recorder,
  type Resources,
  type Resumed,
  type RunFolder,
  type RunId,
  readMetrics,
  readWeights,
  releaseRunFolder,
  resumedAt,
  StopReason,
  startLines,
  tuneGarbageCollection,
  untilAskedToStop,
  watchInterrupts,
  withResources,
  writeJson,
} from "@lockstep/run";
import { LiveRun } from "@lockstep/run/live";
import type { ListenOptions } from "@lockstep/transport";
import { listen } from "./connections/session-server.ts";
import { finishedLines } from "./finished-run.ts";
import { Admission } from "./membership/admission.ts";
import type { Balance } from "./membership/balance.ts";
import type { Limits } from "./membership/decide.ts";
import { gathered } from "./membership/gathering.ts";
import { parseTopology } from "./membership/topology.ts";
import { seldom } from "./program/refusal-log.ts";
import { derivedOf, trafficLine } from "./run-facts.ts";
import { lastCheckpoint } from "./run-start.ts";
import { type Origin, originOf, whence } from "./state/beginning.ts";
import { planRun } from "./step/run-plan.ts";
import { RemoteTeam } from "./team/remote-team.ts";

/** A run, with how its coordinator listens, displays, and ends. */
export interface CoordinatorOptions extends Limits {
  config: RunConfig;
  runId: RunId;
  /** How many workers the run waits for before it begins. */
  workers: number;
  /** With fewer workers than this the run pauses. */
  minWorkers: number;
  /** Where it listens, and who may join. */
  door: ListenOptions;
  balance: Balance;
  folder: RunFolder;
  /** What --model names: sent to the workers if it is data. */
  model: ModelFile;
  display: Display;
  /** Told of all that is known of the run. @default nobody is */
  live?: LiveRun | undefined;
  /** What people ask of the run. @default nothing */
  controls?: Controls | undefined;
  /** Version of Lockstep. */
  version: string;
  /** What a resumed run goes on from. */
  resumed?: Checkpoint | undefined;
  /** Of the model that a resumed run began with. */
  topologyDigest?: string | undefined;
  /** The devices and the arithmetic that computed a resumed run until now. @default none are recorded */
  before?: Derived | undefined;
  /** Kept in config.json, so that a resume on one machine goes on in the same way. @default nothing is kept */
  machine?: MachineOptions | undefined;
  /** Weights to begin with, for --init-from. */
  state?: readonly ParameterState[] | undefined;
  /**
   * Rejects with the reason when the workers that are waited for cannot come; then the refusal of one is not told apart
   * from it. @default they always can
   */
  cannotBegin?: Promise<never>;
  /** Rejects when no worker can come any more. @default one always can */
  cannotGoOn?: Promise<never>;
  /** Whether it goes on answering when the run is over, until it is interrupted. @default no */
  keepOpen?: boolean | undefined;
  /** Called once workers can connect. */
  onListening: (port: number) => void;
}

/** The options with whoever is told of the run, and the lease of its folder. */
type WatchedOptions = CoordinatorOptions & { live: LiveRun; lease: Lease };

/** Bytes of updates that are kept for workers that join. */
const MAX_LOG_BYTES = 512 * 2 ** 20;

/**
 * If more comes in a step, it pays to collect garbage seldom; if less, heaps would grow, slowly, for nothing. It lies
 * between the two that were measured, 0.1 and 25 MB: see docs/performance.md.
 */
const MUCH_BYTES = 4 * 2 ** 20;

/** How often those who watch the run are told of its workers. */
const TEAM_EVERY_MS = 500;

const never = new Promise<never>(() => {});

/** How a coordinator ends. One that is asked to stop while it waits for its first workers has not begun. */
export type Outcome = "finished" | "interrupted" | "not begun";

/**
 * Gathers workers and conducts the run; one that is finished already needs none. For a run of large gradients it has
 * this process collect garbage seldom.
 *
 * @returns whether the schedule was done to its end
 */
export function coordinate(given: CoordinatorOptions): Promise<Outcome> {
  const { live = new LiveRun() } = given;
  return withResources(async (resources) => {
    try {
      return await coordinateWith({ ...given, live }, resources);
    } catch (error) {
      live.event((error as Error).message, "failed");
      throw error;
    }
  });
}

async function coordinateWith(given: Omit<WatchedOptions, "lease">, resources: Resources): Promise<Outcome> {
  const { config, folder, display, live, controls, heartbeatMs, workers } = given;
  const finished = finishedLines(given);
  if (finished !== undefined) {
    for (const line of finished) display.line(line);
    return "finished";
  }
  const lease = await holdRunFolder(folder, display.line);
  resources.add(() => releaseRunFolder(folder, lease));
  const options = { ...given, lease };
  keepEvents(live, folder.eventLog, lease);
  const onStop = (line: string) => {
    if (live.snapshot().run !== undefined) display.line(line); // before the run begins, the stop itself is told
  };
  const interrupts = watchInterrupts({ doing: "stopping after this step", tell: onStop });
  resources.add(interrupts.unwatch);
  const failed = new AbortController();
  const asked = controls === undefined ? [interrupts.signal] : [interrupts.signal, controls.signal];
  const signal = AbortSignal.any([failed.signal, ...asked]);
  const source = recordsHere(config); // listening does not wait for it
  resources.add(() => source.then((records) => records?.close()).catch(() => {})); // told already
  const welcome = source.then((records) => welcomeTo(options, records));
  const noRecords = new Promise<never>((_, reject) => welcome.catch(reject));
  noRecords.catch(() => {}); // whoever waits for the workers hears of it
  const nowMs = () => performance.now();
  const log = eventTeller(display, live);
  const team = new RemoteTeam({ ...options, maxLogBytes: MAX_LOG_BYTES, log, onPhase: live.phase.bind(live), nowMs });
  if (controls !== undefined) controls.dismiss = (name) => team.dismiss(name);
  const initial = {
    updates: (stepRows(folder).at(-1)?.step ?? -1) + 1, // a row is written before its update is made
    topologyDigest: options.topologyDigest,
    weights: options.resumed?.tensors ?? options.state,
  };
  const tell = options.cannotBegin === undefined ? seldom((line) => log(line, "refused")) : undefined;
  const admission = new Admission({ config, team, version: options.version, initial, ...(tell && { tell }) });
  let running: Promise<Outcome> | undefined;
  resources.add(() => running?.catch(() => {})); // told already; it ends once the server is closed, at the latest
  const server = await listen({ ...options, welcome, records: source, admission, nowMs });
  resources.add(() => server.close());
  // After what has come in: if this process was suspended, nobody was silent, it just has not listened.
  const ticking = setInterval(() => setImmediate(() => team.tick()), Math.max(20, heartbeatMs / 4));
  resources.add(() => clearInterval(ticking));
  const showing = setInterval(() => live.take({ type: "team", workers: team.workersNow }), TEAM_EVERY_MS);
  resources.add(() => clearInterval(showing));
  options.onListening(server.port);
  live.event(`waiting for ${workers} workers`, "waiting");
  const here = gathered(team, { ...options, signal });
  await Promise.race([here, noRecords, options.cannotBegin ?? never, lease.lost]);
  running = signal.aborted ? Promise.resolve("not begun") : runThroughLosses(team, admission, options, signal);
  const outcome = await Promise.race([running, options.cannotGoOn ?? never, lease.lost]).catch((reason) => {
    failed.abort(new StopReason({ type: "failure", error: reason }));
    team.giveUp(reason);
    throw reason;
  });
  admission.end();
  team.finish();
  if (outcome === "finished") live.event("the run is finished", "finished");
  else live.event("the run was stopped", "stopped");
  if (outcome === "not begun") return outcome;
  const { ready } = admission.first;
  display.line(trafficLine(team.travelled, ready));
  const topology = parseTopology(ready.topology);
  if (outcome === "finished") await writeTfjsModel(folder.tfjs, topology, readWeights(folder, ready.modelName));
  if (options.keepOpen === true && outcome === "finished") {
    interrupts.unwatch();
    display.line("the run is over; --keep-open keeps the coordinator until Ctrl-C");
    await untilAskedToStop();
  }
  return outcome;
}

const stepRows = ({ metrics }: RunFolder) => readMetrics(metrics).filter((row) => row.type === "step");

/** When no worker is left that holds the weights, others are waited for, and the run goes on from what there is. */
async function runThroughLosses(
  team: RemoteTeam,
  admission: Admission,
  options: WatchedOptions,
  signal: AbortSignal,
): Promise<"finished" | "interrupted"> {
  const { config, folder, display, live } = options;
  const warn = (line: string) => display.line(line, { level: "warn" });
  let before: ComputedWith | undefined = options.before;
  for (let { resumed } = options; ; resumed = lastCheckpoint(folder, warn)) {
    const now = { arithmetic: ARITHMETIC_VERSION, devices: devicesOf(team) };
    const warning = differentBitsLine(before, now, config);
    if (warning !== undefined) warn(warning);
    before = now;
    const outcome = await runOn(team, admission, { ...options, resumed }, signal).catch(expectAllLost);
    if (outcome === "finished") return outcome;
    if (!signal.aborted) {
      const why = outcome === "interrupted" ? "the last worker leaves; its weights are saved" : "no worker is left";
      display.line(`${why}; the run goes on when workers come`);
      live.event(`${why}; the run goes on when workers come`, "paused");
      team.reset();
      await gathered(team, { ...options, lostMs: performance.now(), signal });
    }
    if (signal.aborted) return "interrupted";
  }
}

const devicesOf = ({ members }: RemoteTeam) => groupDevices(members.map(({ session }) => session.hello));

function expectAllLost(error: unknown): undefined {
  if (!(error instanceof LockstepError) || error.code !== "ERR_ALL_LOST") throw error;
  return undefined;
}

async function runOn(
  team: RemoteTeam,
  admission: Admission,
  options: WatchedOptions,
  signal: AbortSignal,
): Promise<"finished" | "interrupted"> {
  const { config, folder, display, live, controls, resumed, state, lease } = options;
  lease.expectHeld();
  const { ready } = admission.first;
  const { modelName, classes, stateDict } = ready;
  const held = team.heldStep;
  const doneSteps = Math.max(held ?? 0, resumed?.step ?? 0);
  const schedule = makeSchedule(config, ready, doneSteps);
  const isHeld = held !== undefined && held >= (resumed?.step ?? 0);
  const from: Resumed = isHeld || resumed === undefined ? resumedAt(folder, isHeld ? held : 0, schedule) : resumed;
  const origin: Origin = isHeld ? { from: "held", step: held } : originOf({ resumed, state }, stateDict);
  const told = team.members.map(({ session }) => session.ready);
  const { plan, mostWorkers, incomingBytes } = planRun(told, config);
  if (incomingBytes > MUCH_BYTES) tuneGarbageCollection();
  admission.begin(mostWorkers);
  const derived = { ...derivedOf(options, ready, schedule), devices: devicesOf(team) };
  const run = { ...config, machine: options.machine ?? {}, derived };
  writeJson(folder.config, run);
  admission.onJoined = () => {
    const devices = mergeDevices(run.derived.devices, devicesOf(team));
    if (isDeepStrictEqual(devices, run.derived.devices)) return;
    run.derived.devices = devices; // a worker that joins late computes the run, too
    writeJson(folder.config, run);
  };
  live.take({ type: "facts", name: basename(folder.dir), run });
  if (origin.from === "state" && origin.prefix) display.line(prefixLine(origin.prefix));
  const again = existsSync(folder.metrics);
  const line = again ? `going on after ${from.step} steps, ${whence(origin)}` : "the run begins";
  const { ownWeights, tensors, compiled } = ready;
  const lines = again
    ? [line]
    : startLines(config, { written: ownWeights?.written ?? 0, total: tensors.length, compiled });
  for (const each of lines) display.line(each);
  const recorder = new Recorder({
    ...{ folder, config, schedule, modelName, classes, display, live },
    ...{ startedAt: new Date(), resumed: from, lease },
  });
  live.event(line, again ? "resumed" : "begun");
  await team.begin({ plan, origin, sliceRows: config.sliceRows });
  const { endedSteps } = from.progress;
  const leaving = new AbortController();
  const leaves = new StopReason({ type: "last-worker-leaves" });
  team
    .until(() => team.lastLeaves)
    .then(
      () => leaving.abort(leaves),
      () => {},
    ); // its failure ends the loop
  const either = AbortSignal.any([signal, leaving.signal]);
  return conduct({ schedule, team, recorder, doneSteps, endedSteps, signal: either, controls });
}

function welcomeTo({ config, runId, model }: CoordinatorOptions, records: RecordSource | undefined) {
  return {
    ...{ run: runId, config: { ...config }, codeModel: model.kind === "code" },
    ...(model.kind === "spec" && { spec: model.spec }),
    ...(records && { supplied: records.facts }),
  };
}

/** The data set's records, for workers without files; undefined if they are not here either. */
async function recordsHere({ dataset, dataDir }: RunConfig): Promise<RecordSource | undefined> {
  if (dataset !== "cifar10" || cifar10Files(dataDir ?? defaultDataDir(dataset)) === undefined) return undefined;
  return openRecordSource(dataset, { dataDir });
}
