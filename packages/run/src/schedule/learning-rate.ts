/** The learning rate of each step, a pure function of the configuration and the step. */
import type { RunConfig } from "@lockstep/config";

type RateOptions = Pick<RunConfig, "lr" | "lrSchedule" | "warmupEpochs" | "numEpochs">;

/**
 * The learning rate of step `step`, counted from 0 over the whole run.
 *
 * Warm-up rises linearly and reaches `lr` with its last step (Goyal et al., 2017). After it, with p the share of the
 * remaining steps that is done: constant lr; `step` lr, lr/10 from p = 1/2, lr/100 from p = 3/4; `cosine`
 * lr·(1 + cos πp)/2 (Loshchilov and Hutter, 2017, without restarts).
 */
export function learningRateAt(options: RateOptions, step: number, stepsPerEpoch: number): number {
  const { lr, lrSchedule, warmupEpochs, numEpochs } = options;
  const warmupSteps = Math.round(warmupEpochs * stepsPerEpoch);
  if (step < warmupSteps) return (lr * (step + 1)) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, numEpochs * stepsPerEpoch - warmupSteps);
  switch (lrSchedule) {
    case "constant":
      return lr;
    case "step":
      return lr * (progress < 0.5 ? 1 : progress < 0.75 ? 0.1 : 0.01);
    case "cosine":
      return (lr * (1 + Math.cos(Math.PI * progress))) / 2;
  }
}
