/** The run package: the loop of a run, its schedule, its folder, and all that it writes and prints. */

export {
  type ComputedWith,
  type DeviceGroup,
  deviceKey,
  differentBitsLine,
  groupDevices,
  type RunDevice,
} from "./devices.ts";
export { addEvaluation, type Evaluation, emptyEvaluation } from "./evaluation.ts";
export { withFailureEvent } from "./failure-event.ts";
export { finishedLines } from "./finished-run.ts";
export { type Checkpoint, lastCheckpoint } from "./folder/checkpoint.ts";
export type { RunFacts } from "./folder/derived.ts";
export { type MetricsRow, parseMetrics, readMetrics } from "./folder/metrics.ts";
export { makeReport, readReport } from "./folder/report.ts";
export { atStart, type ResumePoint, resumePointAt } from "./folder/resume-point.ts";
export { type Derived, newRunId, parseRunFile, type RunFile, type RunId } from "./folder/run-file.ts";
export {
  createRunFolder,
  holdRunFolder,
  openRunFolder,
  type RunFolder,
  watchRunFolder,
  writeJson,
} from "./folder/run-folder.ts";
export { readWeights, readWeightsFile } from "./folder/weights.ts";
export { type Command, parseCommand } from "./live/controls.ts";
export { type LoopEnd, trainLoop } from "./loop.ts";
export { type OpenedRun, openRun, type RunInputs, type RunRequest } from "./open-run.ts";
export { tuneGarbageCollection } from "./process/gc-tuning.ts";
export {
  type Interrupts,
  onStopSignals,
  statusOf,
  stoppedStatus,
  untilAskedToStop,
  watchInterrupts,
} from "./process/interrupts.ts";
export { type Resources, withResources } from "./process/resources.ts";
export { type LoggedUpdate, parseEventLog, recordEvents } from "./record/event-log.ts";
export { RunWriter } from "./record/run-writer.ts";
export { writeTrace } from "./record/trace.ts";
export { type ResumedMachine, resumedMachineOf } from "./resumed-machine.ts";
export { RunSession } from "./run-session.ts";
export { type EvaluateTask, makeSchedule, type Schedule, type StepTask, type Task } from "./schedule/schedule.ts";
export { type PlannedSlice, type PlannedSubtree, planSlices, planSubtrees } from "./schedule/slices.ts";
export type { StartedRun } from "./started-run.ts";
export { median, sum } from "./statistics.ts";
export {
  failureSignal,
  type SignalName,
  StopReason,
  stopCauseOf,
  throwIfFailed,
} from "./stop-reason.ts";
export type { ParameterState, StateCapture, StepTotals, Team, WorkerShare } from "./team.ts";
export { type Display, displayOn, lineDisplay } from "./terminal/display.ts";
export { eventLogger } from "./terminal/event-logger.ts";
export { printFolder } from "./terminal/header.ts";
export { type StoppedRun, stoppedLine, testLine } from "./terminal/lines.ts";
export { type LogFormat, logFormatOf, reportFailure } from "./terminal/log.ts";
export { parseLogLine } from "./terminal/log-reader.ts";
export { nextStepsLine } from "./terminal/next-steps-line.ts";
export { openPanel, type RunPanel } from "./terminal/panel.ts";
export { TrainingRun } from "./training-run.ts";
