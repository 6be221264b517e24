/** Settings of a measurement of a GPU. */

/** What to measure. A dry run only checks that everything runs: its figures are meaningless. */
export interface Settings {
  /** Fixture with PyTorch's results: 8 steps of 32 images, or one step of 4. */
  fixture: string;
  /** Batch size of each row of the table. */
  batches: number[];
  /** Measured steps per batch size. */
  steps: number;
  /** Warm-up steps, on which shaders and plans are compiled. */
  warmupSteps: number;
  /** Number of read-backs of a step's gradients. */
  readBacks: number;
  /** Rows and columns of the multiplied matrices. */
  matmulSize: number;
  /** Batch size of the convolution. */
  convImages: number;
}

/** Settings of a measurement. */
export const fullRun: Settings = {
  fixture: "alexnet-cifar10-pytorch.json",
  batches: [32, 128, 512],
  steps: 200,
  warmupSteps: 10,
  readBacks: 5,
  matmulSize: 4096,
  convImages: 512,
};

/** Settings of a dry run. */
export const dryRun: Settings = {
  fixture: "alexnet-cifar10-4-images-pytorch.json",
  batches: [2],
  steps: 1,
  warmupSteps: 1,
  readBacks: 1,
  matmulSize: 256,
  convImages: 2,
};
