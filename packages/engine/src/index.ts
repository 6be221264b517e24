/** The engine package: the backend of TensorFlow.js on this machine, and a model's parameters on it. */
export {
  type BackendName,
  bitProperties,
  type Device,
  describeDevice,
  type Engine,
  type EngineOptions,
  type SkippedBackend,
} from "./backend/engine.ts";
export type { MomentumStep } from "./backend/momentum-step.ts";
export { readBack } from "./backend/read-back.ts";
export { tf } from "./backend/tf.ts";
export { startEngine } from "./choose.ts";
export { type Check, type DoctorReport, type InspectionOptions, inspectMachine } from "./doctor.ts";
export { formatReport } from "./doctor-report.ts";
export { matmulFlopsPerSecond } from "./matmul-speed.ts";
export { createParameters, type Parameters, type ParameterValues } from "./parameters.ts";
