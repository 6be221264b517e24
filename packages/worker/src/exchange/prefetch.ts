/** Predicts the samples that this worker computes next, so that their batch is made before it is needed. */
import type { SliceRequest } from "@lockstep/dataset";
import { at } from "@lockstep/errors";
import { assignedSubtrees, type MessageOf, slicesIn } from "@lockstep/gradient-sync";

/**
 * Returns the slice after `last`: the next one of this step, or after them the same share of the next step's batch.
 * Undefined if `last` is none of these.
 */
export function sliceToPrefetch(
  assigned: MessageOf<"assign"> | undefined,
  { trainSamples }: { trainSamples: number },
  last: SliceRequest | undefined,
): SliceRequest | undefined {
  if (assigned === undefined || last?.split !== "train" || last.epoch !== assigned.epoch) return undefined;
  const batchSize = assigned.end - assigned.start;
  // The epoch's last batch may be smaller and sliced differently, so its slices are not prefetched.
  const shift = Math.floor((last.start - assigned.start) / batchSize) * batchSize;
  if (shift < 0) return undefined;
  const subtrees = assignedSubtrees(assigned);
  const slices = assigned.attempts.flatMap(({ subtree }) => slicesIn(at(subtrees, subtree)));
  const index = slices.findIndex(({ start, end }) => start + shift === last.start && end + shift === last.end);
  if (index < 0) return undefined;
  const next = slices[index + 1];
  const following = next ?? slices[0];
  const moved = next === undefined ? shift + batchSize : shift;
  if (following === undefined || assigned.end + moved > trainSamples) return undefined;
  return { split: "train", epoch: assigned.epoch, start: following.start + moved, end: following.end + moved };
}
