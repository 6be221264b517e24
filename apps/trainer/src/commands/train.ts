/**
 * `pnpm train`: one model on this machine.
 *
 *   pnpm train --num-epochs 5
 *   pnpm train --dataset shapes --max-steps 200 --out runs/try
 *   pnpm train --resume runs/try --max-steps 400
 */
import { rmSync } from "node:fs";
import { basename, extname } from "node:path";
import {
  type GivenOptions,
  givenRunOptions,
  type MachineOptions,
  machineOptions,
  makeConfig,
  type RunConfig,
  resumeConfig,
  resumedMachine,
  resumeLine,
  scaleForWorkers,
  shellWord,
  type WeakScaling,
  withAbsolutePaths,
} from "@lockstep/config";
import { lastCheckpoint, newRun, resumedRun } from "@lockstep/coordinator";
import { expectRoomForDashboard } from "@lockstep/dashboard";
import { bitProperties, type tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import type { Weights } from "@lockstep/formats";
import { writeTfjsModel } from "@lockstep/formats";
import { ARITHMETIC_VERSION } from "@lockstep/gradient-sync";
import {
  describeModel,
  factorableKernels,
  fitStateDict,
  formatDescription,
  initialWeights,
  loadModel,
  prefixLine,
  type StateDict,
  tfjsTopologyOf,
  toStateDict,
} from "@lockstep/model";
import {
  atStart,
  type Checkpoint,
  conduct,
  createRunFolder,
  type Derived,
  type Display,
  differentBitsLine,
  displayOn,
  expectNoRun,
  groupDevices,
  holdRunFolder,
  type LogFormat,
  makeSchedule,
  newRunId,
  openRunFolder,
  parseRunFile,
  Recorder,
  type Resources,
  type Resumed,
  type RunFolder,
  type RunId,
  readWeights,
  readWeightsFile,
  releaseRunFolder,
  startLines,
  stoppedStatus,
  threadsToKeep,
  watchInterrupts,
  withResources,
  writeJson,
} from "@lockstep/run";
import {
  Batches,
  batchesOf,
  EVALUATION_ROWS,
  expectSamePredictions,
  isModelOf,
  localTeam,
  type PreparedRun,
  parameterValues,
  prepare,
  Replica,
  tfjsExport,
} from "@lockstep/training";
import { type Shown, watchRun } from "../dashboard-wish.ts";
import { derivedOf, slowBackendLine, summaryOf } from "../summary.ts";
import { trainTogether } from "./train-together.ts";

export interface TrainOptions extends MachineOptions, Partial<WeakScaling> {
  out?: string;
  resume?: string;
  describe?: boolean;
  /** Processes that compute. @default 1, this one */
  workers?: number;
  log: LogFormat;
  /** Whether pages that show the run are answered, and where. @default yes, at the next free port */
  dashboard?: boolean;
  port?: number;
}

/** @param unkept typed options, as words, that a resume needs once more */
export async function train(options: TrainOptions & Record<string, unknown>, unkept: readonly string[]): Promise<void> {
  const { out, resume, describe, workers = 1, log, port } = options;
  const { batchSizePerWorker, lrScaling = "none" } = options;
  const given = scaleForWorkers(givenRunOptions(options), { workers, batchSizePerWorker, lrScaling });
  const machine = machineOptions(options);
  const dashboard = options.dashboard === false ? undefined : { port };
  const shown = { display: displayOn(process.stdout, log), dashboard, unkept };
  if (describe === true) return describeLayers(makeConfig(given));
  if (dashboard !== undefined) await expectRoomForDashboard(dashboard);
  const trained = async (): Promise<RunFolder> => {
    if (workers > 1) {
      const isNew = resume === undefined;
      const start = isNew
        ? await newRun(makeConfig(given), out, shown.display.line)
        : await resumedRun(resume, given, warnOn(shown.display));
      await trainTogether(workers, start, machine, { ...shown, log });
      return start.folder;
    }
    if (resume !== undefined) return resumeRun(resume, given, machine, shown);
    return trainNew(makeConfig(given), out, machine, shown);
  };
  const { dir } = await trained();
  if (process.exitCode === undefined) shown.display.line(nextLine(dir));
}

/** Returns the line that names what a user can do with a finished run. */
export function nextLine(dir: string): string {
  const run = shellWord(dir);
  return `next:    pnpm evaluate --run ${run}, pnpm predict --run ${run} PICTURE, pnpm train --help`;
}

/** Prints the shape table: no data, no engine. */
async function describeLayers({ model, numClasses, inputChannels }: RunConfig): Promise<void> {
  const { spec } = await loadModel(model, { numClasses, inputChannels });
  if (spec === undefined) {
    const text = `--describe needs a model spec, but ${model} makes a tf.LayersModel; call its summary() to see the layers.`;
    throw new LockstepError("ERR_OPTION", text);
  }
  console.log(formatDescription(describeModel(spec)));
}

/** Starts a run in a folder of its own. */
export async function trainNew(
  given: RunConfig,
  out: string | undefined,
  machine: MachineOptions,
  shown: Shown,
): Promise<RunFolder> {
  if (out !== undefined) expectNoRun(out);
  const config = withAbsolutePaths(given);
  const initial = config.initFrom === undefined ? undefined : readWeightsFile(config.initFrom);
  const run = await prepare(config, machine, shown.display.line);
  try {
    const values = await firstValues(run, initial, shown.display.line);
    const label = basename(config.model, extname(config.model));
    const folder = createRunFolder(out, label, new Date());
    await runToEnd(run, folder, shown, { values, runId: newRunId() });
    return folder;
  } finally {
    await run.thread.close();
  }
}

/** The weights that a run begins with: those of a file, or what the model's module has set and the seed draws. */
async function firstValues(
  { config, loaded, names, own }: PreparedRun,
  initial: StateDict | undefined,
  say: (line: string) => void,
): Promise<RunStart["values"]> {
  const { model } = loaded;
  if (initial !== undefined) return parameterValues(model, names, fitted(initial, names, say));
  return parameterValues(model, names, toStateDict(names, await initialWeights(model, config, own)));
}

/** The weights and momentum of a checkpoint. */
function checkpointValues({ loaded, names }: PreparedRun, { tensors }: Checkpoint): RunStart["values"] {
  const dict = (kind: "weight" | "velocity"): StateDict =>
    new Map(tensors.map((tensor) => [tensor.name, { shape: tensor.shape, data: tensor[kind] }]));
  return parameterValues(loaded.model, names, dict("weight"), dict("velocity"));
}

/** The weights of a file under the model's names; a prefix that is left out is told. */
function fitted(initial: StateDict, names: PreparedRun["names"], say: (line: string) => void): StateDict {
  const { tensors, prefix } = fitStateDict(names, initial);
  if (prefix !== "") say(prefixLine(prefix));
  return tensors;
}

/**
 * Goes on from the last checkpoint of a run, mid-epoch if it was taken there. A run that was ended before its first
 * checkpoint begins again at step 0, where the same weights follow from its configuration.
 */
export async function resumeRun(
  dir: string,
  given: GivenOptions,
  machine: MachineOptions,
  shown: Shown,
): Promise<RunFolder> {
  const { folder, config } = openRunFolder(dir);
  const { derived, machine: saved, ...options } = parseRunFile(config, folder.config);
  const checkpoint = lastCheckpoint(folder, warnOn(shown.display));
  const { initFrom } = options;
  const initial = checkpoint === undefined && initFrom !== undefined ? readWeightsFile(initFrom) : undefined;
  const threads = threadsToKeep(derived.devices, { sliceRows: options.sliceRows, workers: 1 });
  const run = await prepare(
    withAbsolutePaths(resumeConfig(options, given)),
    resumedMachine(saved, machine, threads),
    shown.display.line,
  );
  try {
    expectSameModel(run, derived);
    const warning = differentBitsLine(derived, { arithmetic: ARITHMETIC_VERSION, devices: devicesOf(run) }, options);
    if (warning !== undefined) warnOn(shown.display)(warning);
    if (checkpoint === undefined) shown.display.line("no checkpoint was written yet; the run begins again at step 0");
    const values = checkpoint ? checkpointValues(run, checkpoint) : await firstValues(run, initial, shown.display.line);
    const resumed = checkpoint ?? atStart;
    await runToEnd(run, folder, shown, { values, runId: derived.runId ?? newRunId(), resumed });
    return folder;
  } finally {
    await run.thread.close();
  }
}

const devicesOf = ({ engine }: PreparedRun) => groupDevices([bitProperties(engine)]);

interface RunStart {
  values: ReturnType<typeof parameterValues>;
  runId: RunId;
  resumed?: Resumed;
}

const warnOn = (display: Display) => (line: string) => display.line(line, { level: "warn" });

async function runToEnd(run: PreparedRun, folder: RunFolder, shown: Shown, start: RunStart): Promise<void> {
  await withResources((resources) => runWith(run, folder, shown, start, resources));
}

async function runWith(
  run: PreparedRun,
  folder: RunFolder,
  shown: Shown,
  { values, runId, resumed }: RunStart,
  resources: Resources,
): Promise<void> {
  const { display } = shown;
  const { config, loaded, own, names, maxRows } = run;
  const { step: doneSteps, progress } = resumed ?? { step: 0, progress: { endedSteps: 0 } };
  const lease = await holdRunFolder(folder, display.line);
  resources.add(() => releaseRunFolder(folder, lease));
  const schedule = makeSchedule(config, run.thread.meta, doneSteps);
  const interrupts = watchInterrupts({ doing: "stopping after this step", tell: (line) => display.line(line) });
  resources.add(interrupts.unwatch);
  resources.add(display.close);
  const derived = derivedOf({ runId, loaded, names, meta: run.thread.meta, schedule, devices: devicesOf(run) });
  const { modelName, classes } = derived;
  const file = { ...config, machine: run.machine, derived };
  writeJson(folder.config, file);
  const watch = await watchRun({ folder, lease, file, engine: run.engine, doneSteps, ...shown });
  resources.add(watch.close);
  const { live, controls } = watch;
  const brought = { written: own.written.size, total: names.length, compiled: loaded.compiled };
  display.line(summaryOf(config, derived, folder, { brought, resumedStep: resumed?.step }));
  if (resumed === undefined) for (const line of startLines(config, brought)) display.line(line);
  if (["wasm", "cpu"].includes(run.engine.backend)) display.line(slowBackendLine(run.engine.backend));

  const factoredKernels = config.sync === "dense" ? [] : factorableKernels(loaded.model);
  const replica = new Replica(loaded.model, values, { factoredKernels, dropout: config.dropout });
  resources.add(() => replica.dispose());
  const evaluationRows = Math.min(EVALUATION_ROWS, maxRows ?? EVALUATION_ROWS);
  const rows = { evaluationRows, sliceRows: config.sliceRows };
  const batches = new Batches(run.thread, batchesOf(schedule.tasksFrom(doneSteps, progress.endedSteps), rows));
  const team = localTeam({
    config: { ...config, maxRows },
    replica,
    batches,
    classes: loaded.numClasses,
    evaluationRows,
    names,
  });
  const recorder = new Recorder({
    folder,
    config,
    schedule,
    modelName,
    classes,
    display,
    live,
    startedAt: new Date(),
    resumed,
    lease,
  });
  try {
    const { endedSteps } = progress;
    const outcome = await conduct({
      schedule,
      team,
      recorder,
      doneSteps,
      endedSteps,
      signal: AbortSignal.any([interrupts.signal, controls.signal]),
      controls,
    });
    live.event(`the run is over: ${outcome}`, outcome === "finished" ? "finished" : "stopped");
    if (outcome === "finished") {
      await writeCheckedTfjs(folder, replica, names, readWeights(folder, modelName)).catch((error) => {
        warnOn(display)(tfjsFault(folder, error)); // the run's weights are safe in its .safetensors file
      });
    } else {
      const line = resumeLine("pnpm train", folder.dir, shown.unkept ?? []);
      display.line(`stopped after ${recorder.checkpointStep} steps; continue with: ${line}`);
      process.exitCode = stoppedStatus();
    }
  } catch (error) {
    live.event((error as Error).message, "failed");
    throw error;
  }
}

/** Writes the model for TensorFlow.js into the run's folder, if it predicts there what it does here. */
async function writeCheckedTfjs(
  { tfjs }: RunFolder,
  replica: Replica,
  names: PreparedRun["names"],
  weights: Weights,
): Promise<void> {
  const { model } = replica;
  const [, ...inputShape] = model.inputs[0]!.shape as [null, number, number, number];
  const predict = (images: tf.Tensor4D) => replica.predict(images);
  await writeTfjsModel(tfjs, tfjsTopologyOf(model, names), weights, (folder) =>
    expectSamePredictions(predict, inputShape, tfjsExport(tfjs, folder)),
  );
}

/**
 * Says why a run has no tfjs/; an empty one is removed.
 *
 * @throws the error, if it is none of an export
 */
function tfjsFault({ tfjs }: RunFolder, error: unknown): string {
  if (!(error instanceof LockstepError && error.code === "ERR_EXPORT")) throw error;
  rmSync(tfjs, { recursive: true, force: true });
  return `${error.code}: ${error.message}`;
}

function expectSameModel({ config, loaded, names }: PreparedRun, derived: Derived): void {
  if (isModelOf(derived, loaded, names)) return;
  throw new LockstepError(
    "ERR_MODEL_CHANGED",
    `${config.model} is no longer the model that this run began with. Restore it, or start a new run with --init-from.`,
  );
}
