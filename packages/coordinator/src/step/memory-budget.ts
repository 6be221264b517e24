/**
 * The memory budget of gradient sums. The coordinator keeps each subtree's dense gradient, as float32, until those of
 * all subtrees of the step can be summed in order, and they may arrive in any order. A step has at most as many
 * subtrees as slices, so slices × dense bytes must fit into memory.
 */
import { totalmem } from "node:os";
import { LockstepError } from "@lockstep/errors";
import type { Layout } from "@lockstep/gradient-sync";

/** Share of the machine's memory for sums; the rest is for states, records and other processes. */
const SHARE = 0.5;

const BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Returns the bytes that dense gradients may take on this machine or, if it has less memory, in this container. */
export function sumsBudgetBytes(): number {
  const allowed = process.constrainedMemory() || Number.POSITIVE_INFINITY; // 0 means no limit
  return SHARE * Math.min(totalmem(), allowed);
}

/** Returns the largest number of slices that a step may have. */
export function maxSlices({ denseElements }: Pick<Layout, "denseElements">, budgetBytes = sumsBudgetBytes()): number {
  return denseElements === 0 ? Number.POSITIVE_INFINITY : Math.floor(budgetBytes / (BYTES * denseElements));
}

/** Throws if the sums of a step with this many slices would not fit into memory. @throws LockstepError ERR_SUMS */
export function assertSumsFit(
  { denseElements }: Pick<Layout, "denseElements">,
  slices: number,
  budgetBytes = sumsBudgetBytes(),
): void {
  if (slices <= maxSlices({ denseElements }, budgetBytes)) return;
  const dense = `${megabytes(BYTES * denseElements)} of dense gradients`;
  const text = `Expected at most ${megabytes(budgetBytes)} of sums, half of this machine's memory, got ${slices} slices of ${dense}`;
  const remedy =
    "raise --slice-rows, lower --batch-size or --workers, or send more gradients as factors with --sync factored";
  throw new LockstepError("ERR_SUMS", `${text}; ${remedy}.`);
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;
