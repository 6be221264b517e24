/** `pnpm verify`: the same training with one worker and with several, compared. */
import { verify as verifyTraining } from "@lockstep/bench/verify";
import type { VerifyOptions } from "@lockstep/config/programs";
import { openDistributedRun } from "@lockstep/coordinator";
import type { Display } from "@lockstep/run";
import { trainTogether } from "./train-together.ts";

const silent: Display = { isTerminal: false, line: () => {}, progress: () => {}, close: () => {} };

/** Prints both losses of each step, and whether the weights are equal. */
export async function verify(options: VerifyOptions & Record<string, unknown>): Promise<void> {
  await verifyTraining(options, {
    path: process.argv[1] ?? "",
    async trainTogether({ workers, config, out, machine, onStarted }) {
      const start = await openDistributedRun({ type: "new", config, out }, silent);
      await trainTogether(workers, start, machine, { display: silent, onStarted });
    },
  });
}
