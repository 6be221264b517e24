export type { Lease } from "@lockstep/files";
export { type Checkpoint, checkpointBefore, latestCheckpoint } from "./checkpoint.ts";
export {
  addLogOption,
  addMachineOptions,
  addRunOptions,
  addScalingOptions,
  givenRunOptions,
  machineOptions,
  portNumber,
  positiveNumber,
  resumedMachine,
  tidyArguments,
  timerMs,
  wholeNumber,
  wholeNumberOf,
} from "./command-line.ts";
export { conduct, type ParameterState, type StepTotals, type Team, type WorkerShare } from "./conduct.ts";
export { type GivenOptions, makeConfig, type RunConfig, resumeConfig, withAbsolutePaths } from "./config.ts";
export { type Command, Controls, parseCommand } from "./controls.ts";
export {
  type ComputedWith,
  type DeviceGroup,
  deviceKey,
  differentBitsLine,
  groupDevices,
  mergeDevices,
  type RunDevice,
  threadsToKeep,
} from "./devices.ts";
export { type Display, displayOn, lineDisplay } from "./display.ts";
export { addEvaluation, type Evaluation, emptyEvaluation } from "./evaluation.ts";
export { keepEvents, parseEvents } from "./event-log.ts";
export { onStopSignals, statusOf, stoppedStatus, untilAskedToStop, watchInterrupts } from "./interrupts.ts";
export { resultLines, stepsLine, testLine } from "./lines.ts";
export { type LogFormat, tellFailure } from "./log.ts";
export { type MetricsRow, parseMetrics, readMetrics } from "./metrics.ts";
export { expectModelFitsData, modelSizes } from "./model-data.ts";
export { type OptionName, runOptions } from "./options.ts";
export { writePth } from "./pth.ts";
export { readPth } from "./read-pth.ts";
export { Recorder } from "./recorder.ts";
export { makeReport, readReport } from "./report.ts";
export { type Resources, withResources } from "./resources.ts";
export { atStart, type Resumed, resumedAt } from "./resumed.ts";
export { type Derived, type MachineOptions, newRunId, parseRunFile, type RunFile, type RunId } from "./run-file.ts";
export {
  createRunFolder,
  expectNoRun,
  holdRunFolder,
  openRunFolder,
  type RunFolder,
  releaseRunFolder,
  watchRunFolder,
  writeJson,
} from "./run-folder.ts";
export { type NamedTensor, readSafetensors, writeSafetensors } from "./safetensors.ts";
export { type EvaluateTask, makeSchedule, type Schedule, type StepTask, type Task } from "./schedule.ts";
export { collectSeldom } from "./seldom-garbage.ts";
export type { PlannedSlice } from "./slices.ts";
export { planSlices, shares } from "./slices.ts";
export { type BroughtAlong, startLines } from "./start-lines.ts";
export { eventTeller } from "./tell-event.ts";
export { writeTrace } from "./trace.ts";
export { resumeLine, shellWord, typedOptions } from "./typed-options.ts";
export { takePathsFromUser } from "./user-paths.ts";
export { scaleForWorkers, type WeakScaling } from "./weak-scaling.ts";
export { readWeights, readWeightsFile, type Weights } from "./weights.ts";
export { writeFileAtomically } from "./write-file.ts";
