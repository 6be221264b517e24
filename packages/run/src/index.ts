export { drawCharts } from "./charts.ts";
export {
  type Checkpoint,
  type CheckpointProgress,
  latestCheckpoint,
  readCheckpoint,
  saveCheckpoint,
} from "./checkpoint.ts";
export { type Conduct, conduct, type ParameterState, type StepTotals, type Team } from "./conduct.ts";
export { flagOf, type GivenOptions, makeConfig, type RunConfig, resumeConfig } from "./config.ts";
export { type Display, displayOn, durationOf, lineDisplay, type Progress } from "./display.ts";
export { addEvaluation, correctOf, type Evaluation, emptyEvaluation } from "./evaluation.ts";
export { learningRateAt } from "./learning-rate.ts";
export { epochLine, testLine } from "./lines.ts";
export {
  appendMetrics,
  type EpochRow,
  type MetricsRow,
  readMetrics,
  rewriteMetrics,
  type StepRow,
  type TestRow,
} from "./metrics.ts";
export { type OptionName, type RunOption, runOptions } from "./options.ts";
export { writePth } from "./pth.ts";
export { Recorder, type RecorderOptions } from "./recorder.ts";
export { makeReport, type Report, writeReport } from "./report.ts";
export { type Derived, type MachineOptions, parseRunFile, type RunFile } from "./run-file.ts";
export { createRunFolder, expectNoRun, openRunFolder, type RunFolder, writeJson } from "./run-folder.ts";
export {
  encodeSafetensors,
  type NamedTensor,
  readSafetensors,
  type SafetensorsFile,
  writeSafetensors,
} from "./safetensors.ts";
export { type DataSizes, makeSchedule, type Schedule, type StepTask, type Task } from "./schedule.ts";
export { type AppendEvents, startEvents } from "./tensorboard.ts";
export { readWeights, readWeightsFile, type Weights } from "./weights.ts";
export { writeFileAtomically, writeTextAtomically } from "./write-file.ts";
