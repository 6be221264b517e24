/** The config package: the options of a run, and the command lines of the programs that take them. */

export {
  addMachineOptions,
  addRunOptions,
  addScalingOptions,
  explicitRunOptions,
  machineOptions,
  portNumber,
  positiveNumber,
  resumedMachine,
  severalWorkers,
  tidyArguments,
  wholeNumber,
} from "./command-line.ts";
export { type ExplicitOptions, makeConfig, type RunConfig, resumeConfig, withAbsolutePaths } from "./config.ts";
export { type MachineOptions, machineSchema } from "./machine.ts";
export { assertModelFitsData, modelSizes } from "./model-data.ts";
export { type OptionName, optionNames, runOptions } from "./options.ts";
export { explicitFlags, resumeLine, shellWord } from "./resume-line.ts";
export { invocationFolder } from "./user-paths.ts";
export { version } from "./version.ts";
export { scaleForWorkers, type WeakScaling } from "./weak-scaling.ts";
