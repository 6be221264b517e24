/** Divides a global batch into slices, and assigns them to workers. */
import { at } from "@lockstep/errors";
import { type SubtreeRange, subtreesOf } from "@lockstep/gradient-sync";

/** A slice of a batch and the worker that computes it. */
export interface PlannedSlice {
  /** Index among the slices of the batch. */
  slice: number;
  /** Index of the worker among those of the step. */
  worker: number;
  start: number;
  end: number;
}

/**
 * Divides [start, end) into slices, contiguous ranges in ascending order, and assigns each to a worker.
 *
 * @param workers the number of workers, or a weight for each, to which its share of the samples is proportional
 * @param sliceRows fixed number of rows of a slice (the last may have fewer), so that the sums have the same bits for
 *   any workers. @default one slice for each worker
 */
export function planSlices(
  start: number,
  end: number,
  workers: number | readonly number[],
  sliceRows?: number,
): PlannedSlice[] {
  if (sliceRows === undefined) {
    return shares(end - start, workers)
      .map(([from, to], worker) => ({ worker, start: start + from, end: start + to }))
      .filter((range) => range.end > range.start)
      .map((range, slice) => ({ slice, ...range }));
  }
  const slices = Math.ceil((end - start) / sliceRows);
  return shares(slices, workers).flatMap(([from, to], worker) =>
    Array.from({ length: to - from }, (_, i) => {
      const first = start + (from + i) * sliceRows;
      return { slice: from + i, worker, start: first, end: Math.min(first + sliceRows, end) };
    }),
  );
}

/** A subtree of a batch's slices, and the worker that computes it. */
export interface PlannedSubtree extends SubtreeRange {
  /** Index of the worker among those of the step. */
  worker: number;
}

/** Returns the slices of `planSlices`, grouped into the largest subtrees that one worker computes alone, in order. */
export function planSubtrees(...plan: Parameters<typeof planSlices>): PlannedSubtree[] {
  const slices = planSlices(...plan);
  const workers = new Set(slices.map(({ worker }) => worker));
  return [...workers].flatMap((worker) => {
    const own = slices.filter((slice) => slice.worker === worker);
    return subtreesOf(at(own, 0).slice, at(own, -1).slice + 1, slices.length).map((subtree) => {
      const parts = slices.slice(subtree.first, subtree.first + subtree.slices);
      const sliceSamples = parts.map(({ start, end }) => end - start);
      return { worker, start: at(parts, 0).start, end: at(parts, -1).end, sliceSamples };
    });
  });
}

/**
 * Divides [0, total) into contiguous ranges.
 *
 * @param parts the number of ranges, whose lengths then differ by at most 1, or a weight of at least 0 for each, to
 *   which its length is proportional
 */
export function shares(total: number, parts: number | readonly number[]): [number, number][] {
  const weights = typeof parts === "number" ? new Array<number>(parts).fill(1) : parts;
  const sums = weights.map((_, part) => weights.slice(0, part + 1).reduce((sum, weight) => sum + weight, 0));
  const whole = at(sums, -1);
  const bound = (part: number) => {
    if (part < 0) return 0;
    // In floating point, (total * whole) / whole may be less than total, so the last bound is set to total.
    return part === weights.length - 1 ? total : Math.floor((total * at(sums, part)) / whole);
  };
  return weights.map((_, part) => [bound(part - 1), bound(part)]);
}
