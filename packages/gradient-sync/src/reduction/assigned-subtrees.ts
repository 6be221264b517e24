/** Reads the subtrees of a step from the message that assigns them. */
import type { MessageOf } from "../protocol/messages.ts";
import type { SubtreeRange } from "./subtree-attempts.ts";

/** Returns the slices of a subtree, as samples [start, end) of the epoch's order. */
export function slicesIn({ start, sliceSamples }: SubtreeRange): { start: number; end: number }[] {
  let next = start;
  return sliceSamples.map((samples) => {
    const slice = { start: next, end: next + samples };
    next = slice.end;
    return slice;
  });
}

/** Returns the subtrees of a step, in slice order. */
export function assignedSubtrees(
  assign: Pick<MessageOf<"assign">, "start" | "sliceSamples" | "subtreeSlices">,
): SubtreeRange[] {
  let [firstSlice, start] = [0, assign.start];
  return assign.subtreeSlices.map((slices) => {
    const sliceSamples = assign.sliceSamples.slice(firstSlice, firstSlice + slices);
    const end = sliceSamples.reduce((sum, samples) => sum + samples, start);
    const range = { start, end, sliceSamples };
    [firstSlice, start] = [firstSlice + slices, end];
    return range;
  });
}
