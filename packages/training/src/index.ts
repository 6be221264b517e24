/** The training package: the gradients of a slice, the exchange, the update, and exports of the result. */
export { Batches, type PredictRequest, plannedRequests } from "./batches.ts";
export {
  addGradients,
  type BatchGradient,
  type Contribution,
  disposeContribution,
  type Gradient,
  type SliceSums,
  sumContributions,
  type Update,
} from "./contribution.ts";
export { drawsDigest } from "./draws-digest.ts";
export { evaluateAll, evaluateBatch } from "./evaluate.ts";
export { type Exchange, InMemoryExchange, type Slice, type SliceSink } from "./exchange.ts";
export { outputFile } from "./export/output-file.ts";
export { writeRunTfjs } from "./export/run-tfjs.ts";
export { loadTrainedModel } from "./export/trained-model.ts";
export { LocalTeam } from "./local-team.ts";
export { type LoadedRun, loadRun, localNumerics } from "./prepare/load-run.ts";
export { downloadProgress, EVALUATION_ROWS, type PreparedRun, prepare } from "./prepare/prepare.ts";
export { localRunFacts } from "./prepare/run-facts.ts";
export { warmUp } from "./prepare/warm-up.ts";
export { Replica } from "./replica.ts";
export { computeGradients } from "./slice/gradients.ts";
export { parameterValues, StateSnapshot, stateDigest } from "./state.ts";
export { type StepContext, trainStep } from "./step.ts";
export { LapClock, type StepClock } from "./step-clock.ts";
export { applyUpdate, factoredMean } from "./update.ts";
