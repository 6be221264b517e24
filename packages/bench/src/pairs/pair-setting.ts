/** Setting of all benches of a pair, on both sides: two workers that train alexnet-cifar10 together. */

/** Number of workers. */
export const WORKERS = 2;
/** Images of a worker in a step. */
export const ROWS = 32;
/** Threads of a worker. */
export const THREADS = 1;
/** Images of a step. */
export const IMAGES = WORKERS * ROWS;
/** Steps of each process that do not count. The scripts know this number too. */
export const WARMUP = 5;

/** The setting as results record it. */
export const pairSetting = {
  model: "alexnet-cifar10",
  workers: WORKERS,
  rowsPerWorker: ROWS,
  threadsPerWorker: THREADS,
};

/** Options that a bench may choose. */
export interface PairOptions {
  /** Measured steps. */
  steps: number;
  wire: "fp32" | "bf16";
}
