/** The trainer's program. The code of each command is loaded when it is called, so that `--help` is instant. */
import { trainerProgram } from "@lockstep/config/programs/trainer";

/** Makes the program with the implementations of its commands. */
export function makeProgram(): ReturnType<typeof trainerProgram> {
  return trainerProgram({
    train: async (options, unsavedFlags) => (await import("./commands/train.ts")).train(options, unsavedFlags),
    quickstart: async (options) => (await import("./commands/quickstart.ts")).quickstart(options),
    evaluate: async (options) => (await import("./commands/evaluate.ts")).evaluate(options),
    predict: async (images, options) => (await import("./commands/predict.ts")).predict(images, options),
    verify: async (options) => (await import("./commands/verify.ts")).verify(options),
    export: async (options) => (await import("./commands/export.ts")).exportRun(options),
    playground: async (options) => (await import("./commands/playground.ts")).playground(options),
    dashboard: async (options) => (await import("./commands/dashboard.ts")).dashboard(options),
    doctor: async (options) => (await import("./commands/doctor.ts")).doctor(options),
    bench: {
      step: async (options) => (await import("@lockstep/bench/step")).benchStep(options),
      sync: async (options) => (await import("@lockstep/bench/sync")).benchSync(options),
      network: async (options) => (await import("@lockstep/bench/network")).benchNetwork(options),
      scale: async (options) => (await import("@lockstep/bench/scale")).benchScale(options),
      start: async (options) => (await import("@lockstep/bench/start")).benchStart(options),
      results: async (options) => (await import("@lockstep/bench/results")).benchResults(options),
    },
  });
}
