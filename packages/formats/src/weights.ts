/** The weights of a model in memory, as the readers of files return them. */

/** The weights of a model, by their state dict names, in PyTorch's layout. */
export type Weights = Map<string, { shape: number[]; data: Float32Array }>;
