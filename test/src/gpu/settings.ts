/** What is measured. A dry run only shows that all of it runs: its figures mean nothing. */
export interface Settings {
  /** What PyTorch computes: 8 steps of 32 images, or one of 4. */
  fixture: string;
  /** Samples of a step, for each row of the table. */
  batches: number[];
  /** Steps for each of these that count. */
  steps: number;
  /** Steps before them: shaders and plans are made on the first ones. */
  warmupSteps: number;
  /** How often the gradients of a step are read back. */
  readBacks: number;
  /** Rows and columns of the matrices that are multiplied. */
  matmulSize: number;
  /** Images of the convolution. */
  convImages: number;
}

export const fullRun: Settings = {
  fixture: "alexnet-cifar10-pytorch.json",
  batches: [32, 128, 512],
  steps: 200,
  warmupSteps: 10,
  readBacks: 5,
  matmulSize: 4096,
  convImages: 512,
};

export const dryRun: Settings = {
  fixture: "alexnet-cifar10-4-images-pytorch.json",
  batches: [2],
  steps: 1,
  warmupSteps: 1,
  readBacks: 1,
  matmulSize: 256,
  convImages: 2,
};
