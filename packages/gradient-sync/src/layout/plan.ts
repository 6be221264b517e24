/** Whether the gradient of a layer travels dense or as its two factors, and in chunks of which size. */

import { CHUNK_BYTES } from "../protocol/limits.ts";
import type { TensorSpec } from "../protocol/messages.ts";
import type { GradientForm } from "./layout.ts";
import { elementsOf } from "./layout.ts";
import { BYTES_PER_ELEMENT, type Wire } from "./wire.ts";

export type Sync = "auto" | "dense" | "factored";

export interface PlanInput {
  tensors: readonly TensorSpec[];
  /** Of each tensor whether its gradient can be had as factors. */
  factorable: readonly boolean[];
  sync: Sync;
  wire: Wire;
  /** Samples of the global batch. */
  batchSize: number;
  /** What the way of the bytes depends on; absent on a single machine, and where slices are fixed. */
  links?: Links | undefined;
}

export interface Links {
  workers: number;
  /** Of the slowest worker's link. */
  linkBytesPerSecond: number;
  /** Of the slowest worker. */
  gemmFlopsPerSecond: number;
}

/**
 * The form of each gradient. `auto` takes the faster one for each layer: of what travels, and of the product of the
 * factors, which everyone computes for all rows of the batch.
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

/** Smaller ones would cost more than they save. */
const LEAST_CHUNK_BYTES = 2 ** 16;
const CHUNK_SECONDS = 0.02;

/**
 * Bytes of a chunk: as many as the slowest link carries in 20 ms, since the last one of a step goes up, and its sum down,
 * while everyone waits. No sum depends on it.
 */
export function planChunkBytes(linkBytesPerSecond: number): number {
  const bytes = Math.round(CHUNK_SECONDS * linkBytesPerSecond);
  return Math.max(LEAST_CHUNK_BYTES, Math.min(CHUNK_BYTES, bytes));
}

/**
 * Seconds that a [inputs, outputs] gradient adds to a step. Its bytes go up from each worker and down to each; those of
 * one worker share nothing with the others' (a switch), and the machine of the coordinator is as fast as they are
 * together.
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
