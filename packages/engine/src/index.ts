export { startEngine } from "./choose.ts";
export { type Check, type DoctorOptions, type DoctorReport, inspectMachine } from "./doctor.ts";
export {
  type BackendName,
  bitProperties,
  type Device,
  describeDevice,
  type Engine,
  type EngineOptions,
  type PassedOver,
} from "./engine.ts";
export { matmulFlopsPerSecond } from "./matmul-speed.ts";
export type { MomentumStep } from "./momentum-step.ts";
export { createParameters, type Parameters, type ParameterValues } from "./parameters.ts";
export { readBack } from "./read-back.ts";
export { tf } from "./tf.ts";
