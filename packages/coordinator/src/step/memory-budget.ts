/**
 * The memory that sums may take. A dense part waits at the coordinator, as float32, until those of all slices of its step can be added to it: whatever
 * order they come in, slices × dense bytes must fit into memory.
 */
import { totalmem } from "node:os";
import { LockstepError } from "@lockstep/errors";
import type { Layout } from "@lockstep/gradient-sync";

/** Share of the machine's memory for sums: the rest is for states, records and whoever else computes there. */
const SHARE = 0.5;

const BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Returns the bytes that dense parts may take here, also where a container has less than the machine. */
export function sumsBudgetBytes(): number {
  const allowed = process.constrainedMemory() || Number.POSITIVE_INFINITY; // 0: nothing limits this process
  return SHARE * Math.min(totalmem(), allowed);
}

/** Returns how many slices a step may have. */
export function maxSlices({ denseElements }: Pick<Layout, "denseElements">, budgetBytes = sumsBudgetBytes()): number {
  return denseElements === 0 ? Number.POSITIVE_INFINITY : Math.floor(budgetBytes / (BYTES * denseElements));
}

/** Checks that a step can be added up. @throws LockstepError ERR_SUMS if a step of so many slices could not be added up here */
export function assertSumsFit(
  { denseElements }: Pick<Layout, "denseElements">,
  slices: number,
  budgetBytes = sumsBudgetBytes(),
): void {
  if (slices <= maxSlices({ denseElements }, budgetBytes)) return;
  const dense = `${megabytes(BYTES * denseElements)} of dense gradients`;
  const text = `Expected at most ${megabytes(budgetBytes)} of sums, half of this machine's memory, got ${slices} slices of ${dense}`;
  const remedy =
    "raise --slice-rows, lower --batch-size or --workers, or let more travel as factors with --sync factored";
  throw new LockstepError("ERR_SUMS", `${text}; ${remedy}.`);
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;
