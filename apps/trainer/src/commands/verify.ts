/** `pnpm verify`: compares the same training with one worker and with several. */
import { verify as verifyTraining } from "@lockstep/bench/verify";
import type { VerifyOptions } from "@lockstep/config/programs";
import { trainWithWorkers } from "@lockstep/trainer/with-workers";

/** Prints the progress, both losses of each step, and whether the weights are equal. */
export async function verify(options: VerifyOptions & Record<string, unknown>): Promise<void> {
  await verifyTraining(options, {
    path: process.argv[1] ?? "",
    async trainTogether({ workers, config, out, machine, display, onStarted }) {
      await trainWithWorkers(workers, { type: "new", config, out }, machine, { display, onStarted });
    },
  });
}
