/** Weak scaling: the global batch, and with it the learning rate, grow with the number of workers. */
import { LockstepError } from "@lockstep/errors";
import { type ExplicitOptions, makeConfig } from "./config.ts";

/** Settings that determine the global batch size and its learning rate. */
export interface WeakScaling {
  workers: number;
  /** Samples per worker; the global batch is this times the number of workers. */
  batchSizePerWorker?: number | undefined;
  lrScaling: "none" | "linear";
}

/** Warm-up of a scaled rate in epochs, unless --warmup-epochs is set; at most a quarter of the run. */
const WARMUP_EPOCHS = 5;

/**
 * Returns the options of a run scaled to the number of workers. `linear` multiplies the learning rate by that number
 * and adds a warm-up (Goyal et al., "Accurate, large minibatch SGD", 2017).
 *
 * @throws LockstepError ERR_OPTION if the options contradict each other
 */
export function scaleForWorkers(
  explicit: ExplicitOptions,
  { workers, batchSizePerWorker, lrScaling }: WeakScaling,
): ExplicitOptions {
  if (batchSizePerWorker === undefined) {
    if (lrScaling === "none") return explicit;
    throw new LockstepError(
      "ERR_OPTION",
      "--lr-scaling linear needs --batch-size-per-worker: with --batch-size, the global batch and its learning rate do not depend on the number of workers. Set --batch-size-per-worker, or omit --lr-scaling.",
    );
  }
  if (explicit.batchSize !== undefined) {
    throw new LockstepError("ERR_OPTION", "Expected --batch-size or --batch-size-per-worker, got both. Omit one.");
  }
  const scaled = { ...explicit, batchSize: batchSizePerWorker * workers };
  if (lrScaling === "none") return scaled;
  const { lr, numEpochs } = makeConfig(explicit);
  return { ...scaled, lr: lr * workers, warmupEpochs: explicit.warmupEpochs ?? Math.min(WARMUP_EPOCHS, numEpochs / 4) };
}
