/** Weak scaling: the global batch, and with it the learning rate, grow with the number of workers. */
import { LockstepError } from "@lockstep/errors";
import { type ExplicitOptions, makeConfig } from "./config.ts";

/** The settings from which the global batch and its learning rate follow. */
export interface WeakScaling {
  workers: number;
  /** Samples of each worker; the global batch is this times the workers. */
  batchSizePerWorker?: number | undefined;
  lrScaling: "none" | "linear";
}

/** Epochs over which a scaled rate warms up, unless --warmup-epochs is given; at most a quarter of the run. */
const WARMUP_EPOCHS = 5;

/**
 * Returns the options of a run on so many workers. `linear` multiplies the learning rate by the workers, and warms it
 * up (Goyal et al., "Accurate, large minibatch SGD", 2017).
 *
 * @throws LockstepError ERR_OPTION where the options contradict each other
 */
export function scaleForWorkers(
  explicit: ExplicitOptions,
  { workers, batchSizePerWorker, lrScaling }: WeakScaling,
): ExplicitOptions {
  if (batchSizePerWorker === undefined) {
    if (lrScaling === "none") return explicit;
    throw new LockstepError(
      "ERR_OPTION",
      "--lr-scaling linear needs --batch-size-per-worker: with --batch-size the global batch, and so the right learning rate, is the same for any number of workers. Give --batch-size-per-worker, or leave --lr-scaling out.",
    );
  }
  if (explicit.batchSize !== undefined) {
    throw new LockstepError("ERR_OPTION", "Expected --batch-size or --batch-size-per-worker, got both; leave one out.");
  }
  const scaled = { ...explicit, batchSize: batchSizePerWorker * workers };
  if (lrScaling === "none") return scaled;
  const { lr, numEpochs } = makeConfig(explicit);
  return { ...scaled, lr: lr * workers, warmupEpochs: explicit.warmupEpochs ?? Math.min(WARMUP_EPOCHS, numEpochs / 4) };
}
