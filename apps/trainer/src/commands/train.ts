/**
 * `pnpm train`: one model on this machine.
 *
 *   pnpm train --num-epochs 5
 *   pnpm train --dataset shapes --max-steps 200 --out runs/try
 *   pnpm train --resume runs/try --max-steps 400
 */
import { basename, extname } from "node:path";
import { LockstepError } from "@lockstep/errors";
import {
  describeModel,
  factorableLayers,
  formatDescription,
  initialWeights,
  loadModel,
  type StateDict,
  toStateDict,
} from "@lockstep/model";
import {
  type Checkpoint,
  conduct,
  createRunFolder,
  displayOn,
  type GivenOptions,
  latestCheckpoint,
  type MachineOptions,
  makeConfig,
  makeSchedule,
  openRunFolder,
  parseRunFile,
  Recorder,
  type RunConfig,
  type RunFolder,
  readWeightsFile,
  resumeConfig,
  writeJson,
} from "@lockstep/run";
import { Batches, localTeam, parameterValues, Replica, readState, writeTfjsModel } from "@lockstep/training";
import { INTERRUPTED, watchInterrupts } from "../interrupts.ts";
import { type PreparedRun, prepare, withAbsolutePaths } from "../prepare.ts";
import { givenRunOptions, machineOptions } from "../program.ts";
import { derivedOf, summaryOf } from "../summary.ts";

export interface TrainOptions extends MachineOptions {
  out?: string;
  resume?: string;
  describe?: boolean;
}

/** Samples that an evaluation computes at once. */
const EVALUATION_ROWS = 64;
/** WebAssembly can address 4 GiB, which AlexNet at 224 × 224 fills with about 96 samples. */
const WASM_MAX_ROWS = 64;

export async function train(options: TrainOptions & Record<string, unknown>): Promise<void> {
  const { out, resume, describe } = options;
  const given = givenRunOptions(options);
  const machine = machineOptions(options);
  if (describe === true) await describeLayers(makeConfig(given));
  else if (resume !== undefined) await resumeRun(resume, given, out, machine);
  else await trainNew(makeConfig(given), out, machine);
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
export async function trainNew(given: RunConfig, out: string | undefined, machine: MachineOptions): Promise<RunFolder> {
  const run = await prepare(withAbsolutePaths(given), machine);
  const { config, loaded, names } = run;
  const weights =
    config.initFrom === undefined
      ? toStateDict(names, await initialWeights(loaded.model, config))
      : readWeightsFile(config.initFrom);
  const values = parameterValues(loaded.model, names, weights);
  const label = basename(config.model, extname(config.model));
  return runToEnd(run, createRunFolder(out, label, new Date()), values);
}

/** Goes on from the last checkpoint of a run, mid-epoch if it was taken there. */
async function resumeRun(
  dir: string,
  given: GivenOptions,
  out: string | undefined,
  machine: MachineOptions,
): Promise<void> {
  if (out !== undefined) {
    throw new LockstepError(
      "ERR_OPTION",
      `--resume ${dir} goes on in that folder, so --out ${out} has no place; leave it out.`,
    );
  }
  const { folder, config } = openRunFolder(dir);
  const { derived: _, machine: savedMachine, ...saved } = parseRunFile(config, folder.config);
  const checkpoint = latestCheckpoint(folder.checkpoints, console.warn);
  const run = await prepare(resumeConfig(saved, given), { ...savedMachine, ...machine });
  const dict = (kind: "weight" | "velocity"): StateDict =>
    new Map(checkpoint.tensors.map((tensor) => [tensor.name, { shape: tensor.shape, data: tensor[kind] }]));
  const values = parameterValues(run.loaded.model, run.names, dict("weight"), dict("velocity"));
  await runToEnd(run, folder, values, checkpoint);
}

async function runToEnd(
  { config, machine, engine, loaded, names, thread }: PreparedRun,
  folder: RunFolder,
  values: ReturnType<typeof parameterValues>,
  resumed?: Checkpoint,
): Promise<RunFolder> {
  const startedAt = new Date();
  const display = displayOn(process.stdout);
  const interrupts = watchInterrupts(() => display.line("stopping after this step; Ctrl-C again stops at once"));
  const schedule = makeSchedule(config, thread.meta);
  const derived = derivedOf({ loaded, names, meta: thread.meta, schedule });
  writeJson(folder.config, { ...config, machine, derived });
  display.line(summaryOf(config, derived, folder, resumed?.step));
  if (engine.backend !== "native") {
    display.line(
      `the ${engine.backend} backend is many times slower than native TensorFlow; after two steps it is known how long it will take`,
    );
  }

  const maxRows = config.maxRows ?? (engine.backend === "wasm" ? WASM_MAX_ROWS : undefined);
  const replica = new Replica(loaded.model, values, {
    factoredLayers: factorableLayers(loaded.model),
    dropout: config.dropout,
  });
  const [doneSteps, endedSteps] = [resumed?.step ?? 0, resumed?.progress.endedSteps ?? 0];
  const evaluationRows = Math.min(EVALUATION_ROWS, maxRows ?? EVALUATION_ROWS);
  const batches = new Batches(thread, schedule.tasksFrom(doneSteps, endedSteps), evaluationRows);
  const state = () => readState(replica, names);
  const team = localTeam({
    config: { ...config, maxRows },
    replica,
    batches,
    classes: loaded.numClasses,
    evaluationRows,
    state,
  });
  const { modelName, classes } = derived;
  const recorder = new Recorder({ folder, config, schedule, modelName, classes, display, startedAt, resumed });
  try {
    const stopRequested = interrupts.requested;
    const outcome = await conduct({ schedule, team, recorder, doneSteps, endedSteps, stopRequested });
    if (outcome === "finished") {
      await writeTfjsModel(loaded.model, folder.tfjs);
    } else {
      display.line(`stopped at ${recorder.lastCheckpoint}; continue with: pnpm train --resume ${folder.dir}`);
      process.exitCode = INTERRUPTED;
    }
  } finally {
    display.close();
    interrupts.unwatch();
    await thread.close();
    replica.dispose();
  }
  return folder;
}
