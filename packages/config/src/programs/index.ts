/** The command lines of the programs, as data: they can be parsed and printed without the programs themselves. */
export { type CoordinatorCommandOptions, type CoordinatorProgram, coordinatorProgram } from "./coordinator.ts";
export { type ListenCommandOptions, listenCommand } from "./listen-options.ts";
export { trainerProgram, unsavedFlags } from "./trainer.ts";
export type * from "./trainer-commands.ts";
export { verifyDefaults } from "./verify-defaults.ts";
export { type WorkerCommandOptions, workerProgram } from "./worker.ts";
