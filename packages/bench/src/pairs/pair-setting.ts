/** The setting of both sides of a pair: two workers that train alexnet-cifar10 together. */

/** Number of workers. */
export const WORKERS = 2;
/** Images per worker in a step. */
export const ROWS = 32;
/** Threads per worker. */
export const THREADS = 1;
/** Images of a step. */
export const IMAGES = WORKERS * ROWS;
/** Warm-up steps of each process, which are not measured. The Python scripts have the same number. */
export const WARMUP = 5;

/** The setting as results record it. */
export const pairSetting = {
  model: "alexnet-cifar10",
  workers: WORKERS,
  rowsPerWorker: ROWS,
  threadsPerWorker: THREADS,
};

/** Options of a bench of a pair. */
export interface PairOptions {
  /** Measured steps. */
  steps: number;
  wire: "fp32" | "bf16";
}
