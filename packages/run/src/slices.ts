/** How a global batch is cut into slices, and who computes which. */

export interface PlannedSlice {
  slice: number;
  /** Index of the worker among those of the step. */
  worker: number;
  start: number;
  end: number;
}

/**
 * Contiguous ranges of [start, end), in slice order.
 *
 * @param sliceRows fixed length of a slice, whatever the workers are: then the sums have the same bits for any number
 *   of workers; absent, one slice for each worker, as even as can be
 */
export function planSlices(start: number, end: number, workers: number, sliceRows?: number): PlannedSlice[] {
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

/** [0, total) in `parts` contiguous ranges whose lengths differ by one at most. */
export function shares(total: number, parts: number): [number, number][] {
  const bound = (part: number) => Math.floor((total * part) / parts);
  return Array.from({ length: parts }, (_, part) => [bound(part), bound(part + 1)]);
}
