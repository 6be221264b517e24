/** The weights of a model in memory, as the file readers return them. */

/** A model's weights by their state dict names, in PyTorch's layout. */
export type Weights = Map<string, { shape: number[]; data: Float32Array }>;
