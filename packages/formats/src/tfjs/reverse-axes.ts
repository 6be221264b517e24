/** Converts kernels between the layouts of TensorFlow.js and PyTorch. */

/**
 * The axes [positions, inputs, outputs] of a kernel in TensorFlow.js. With them, each change of layout is one reversal
 * of axes: a convolution's HWIO is [h·w, i, o] and becomes OIHW = [o, i, h·w]; a Dense kernel [in, out] has one
 * position; and a Dense kernel after Flatten has rows in HWC order, [h·w, c, out], which become columns in
 * CHW order, [out, c, h·w].
 */
export type KernelAxes = readonly [positions: number, inputs: number, outputs: number];

/** Side of the tiles in which the transposes work: 16 numbers fill a cache line. */
const TILE = 16;

/** Converts [positions, inputs, outputs] to [outputs, inputs, positions]. */
export function toTorchOrder(values: Float32Array, axes: KernelAxes): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values.length);
  const outputs = axes[2];
  const starts = rowStarts(axes);
  const rows = starts.length;
  forEachTile(rows, outputs, (firstRow, endRow, firstOutput, endOutput) => {
    // biome-ignore-start lint/style/noNonNullAssertion: the tiles lie inside both arrays, and a check would slow the copy
    for (let row = firstRow; row < endRow; row++) {
      const start = starts[row]!;
      for (let o = firstOutput; o < endOutput; o++) result[o * rows + row] = values[start + o]!;
    }
    // biome-ignore-end lint/style/noNonNullAssertion: see above
  });
  return result;
}

/** Converts [outputs, inputs, positions] to [positions, inputs, outputs], the inverse of `toTorchOrder`. */
export function toTfOrder(values: Float32Array, axes: KernelAxes): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values.length);
  const outputs = axes[2];
  const starts = rowStarts(axes);
  const rows = starts.length;
  forEachTile(rows, outputs, (firstRow, endRow, firstOutput, endOutput) => {
    // biome-ignore-start lint/style/noNonNullAssertion: the tiles lie inside both arrays, and a check would slow the copy
    for (let row = firstRow; row < endRow; row++) {
      const start = starts[row]!;
      for (let o = firstOutput; o < endOutput; o++) result[start + o] = values[o * rows + row]!;
    }
    // biome-ignore-end lint/style/noNonNullAssertion: see above
  });
  return result;
}

/** Returns, for each (input, position) in PyTorch's order, the start of its row of outputs in TensorFlow.js' order. */
function rowStarts([positions, inputs, outputs]: KernelAxes): Uint32Array {
  const starts = new Uint32Array(positions * inputs);
  for (let input = 0; input < inputs; input++) {
    for (let p = 0; p < positions; p++) starts[input * positions + p] = (p * inputs + input) * outputs;
  }
  return starts;
}

function forEachTile(
  rows: number,
  columns: number,
  visit: (firstRow: number, endRow: number, firstColumn: number, endColumn: number) => void,
): void {
  for (let row = 0; row < rows; row += TILE) {
    for (let column = 0; column < columns; column += TILE) {
      visit(row, Math.min(row + TILE, rows), column, Math.min(column + TILE, columns));
    }
  }
}
