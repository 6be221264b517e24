/** Whether the gradient of a layer travels dense or as its two factors, and in chunks of which size. */

import { CHUNK_BYTES } from "../protocol/limits.ts";
import type { TensorSpec } from "../protocol/messages.ts";
import type { GradientForm } from "./layout.ts";
import { elementsOf } from "./layout.ts";
import { BYTES_PER_ELEMENT, type Wire } from "./wire.ts";

/** What the user asks for: one form for all gradients that can have it, or for each the faster one. */
export type Sync = "auto" | "dense" | "factored";

/** What the forms of a run's gradients are decided by. */
export interface PlanInput {
  tensors: readonly TensorSpec[];
  /** Whether the gradient of each tensor can be had as factors. */
  factorable: readonly boolean[];
  sync: Sync;
  wire: Wire;
  /** Samples of the global batch. */
  batchSize: number;
  /** The speeds on which `auto` decides; absent on a single machine, and where slices are fixed. */
  links?: Links | undefined;
}

/** How many workers there are, and how fast the slowest of them is. */
export interface Links {
  workers: number;
  /** Bytes per second of the slowest worker's link. */
  linkBytesPerSecond: number;
  /** Operations per second of the slowest worker's matrix product. */
  gemmFlopsPerSecond: number;
}

/**
 * Returns the form of each gradient. `auto` takes the faster one for each layer: it counts the bytes that travel, and
 * the product of the factors, which everyone computes for all rows of the batch.
 *
 * Without `links` it is factored wherever that is possible: then the form, and with it every bit of the sum, is the
 * same for any number of workers.
 */
export function planForms(input: PlanInput): GradientForm[] {
  const { tensors, factorable, sync, links } = input;
  return tensors.map(({ shape }, index) => {
    if (!factorable[index] || sync === "dense") return "dense";
    if (sync === "factored" || links === undefined) return "factored";
    const seconds = secondsOf(shape as [number, number], input, links);
    return seconds.factored <= seconds.dense ? "factored" : "dense";
  });
}

/** Smaller chunks would cost more than they save. */
const MIN_CHUNK_BYTES = 2 ** 16;
const CHUNK_SECONDS = 0.02;

/**
 * Returns the bytes of a chunk: as many as the slowest link carries in 20 ms, since the last one of a step goes up, and
 * its sum down, while everyone waits. No sum depends on it.
 */
export function planChunkBytes(linkBytesPerSecond: number): number {
  const bytes = Math.round(CHUNK_SECONDS * linkBytesPerSecond);
  return Math.max(MIN_CHUNK_BYTES, Math.min(CHUNK_BYTES, bytes));
}

/**
 * Estimates the seconds that a [inputs, outputs] gradient adds to a step. Its bytes go up from each worker and down to
 * each; those of one worker share nothing with the others' (a switch), and the machine of the coordinator is as fast as
 * they are together.
 */
function secondsOf([inputs, outputs]: [number, number], { wire, batchSize }: PlanInput, links: Links) {
  const { workers, linkBytesPerSecond, gemmFlopsPerSecond } = links;
  const bytesEach = BYTES_PER_ELEMENT[wire];
  const dense = elementsOf([inputs, outputs]);
  const ownRows = batchSize / workers;
  const product = (rows: number) => (2 * rows * dense) / gemmFlopsPerSecond;
  const travel = (elements: number) => (bytesEach * elements) / linkBytesPerSecond;
  return {
    dense: travel(2 * dense) + product(ownRows), // the sum up and down; the product for the own rows only
    factored: travel(batchSize * (inputs + outputs)) + product(batchSize), // own rows up, the others' down
  };
}
