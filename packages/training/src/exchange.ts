/** How contributions of slices become the update of a step. The training step does not know which kind it has. */
import { type Contribution, sumContributions } from "./contribution.ts";

export interface Exchange {
  /**
   * Hands in this worker's contributions to a step, in slice order, and waits for those of all slices.
   * Takes over the tensors of the contributions; the sum that comes back belongs to the caller.
   *
   * @param ms where this worker's time went
   */
  reduce(step: number, contributions: Contribution[], ms: Record<string, number>): Promise<Contribution>;
}

/** A world of one: all slices are here. Nothing leaves the device. */
export const inMemoryExchange: Exchange = {
  reduce: async (_step, contributions) => sumContributions(contributions),
};
