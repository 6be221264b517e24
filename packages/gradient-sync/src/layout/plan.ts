/** Decides whether the gradient of a layer is sent dense or as its two factors, and the size of chunks. */

import { at } from "@lockstep/errors";
import { CHUNK_BYTES } from "../protocol/limits.ts";
import type { TensorSpec } from "../protocol/messages.ts";
import type { GradientForm } from "./layout.ts";
import { elementsOf } from "./layout.ts";
import { BYTES_PER_ELEMENT, type Wire } from "./wire.ts";

/** The option `--sync`: one form for all gradients that support it, or the faster form for each. */
export type Sync = "auto" | "dense" | "factored";

/** The input of `planForms`. */
export interface PlanInput {
  tensors: readonly TensorSpec[];
  /** For each tensor, whether its gradient can be factored. */
  factorable: readonly boolean[];
  sync: Sync;
  wire: Wire;
  /** Samples of the global batch. */
  batchSize: number;
  /** Measured speeds, which `auto` compares; absent on a single machine and with fixed slices. */
  links?: Links | undefined;
}

/** The number of workers, and the speed of the slowest. */
export interface Links {
  workers: number;
  /** Bytes per second of the slowest worker's link. */
  linkBytesPerSecond: number;
  /** Operations per second of the slowest worker's matrix product. */
  gemmFlopsPerSecond: number;
}

/**
 * Returns the form of each gradient. `auto` chooses the faster form for each layer, by the bytes that are sent and the
 * product of the factors, which every worker computes for all rows of the batch.
 *
 * Without `links`, `auto` factors every gradient that it can. The forms, and with them every bit of the sums, are then
 * the same for any number of workers.
 */
export function planForms(input: PlanInput): GradientForm[] {
  const { tensors, factorable, sync, links } = input;
  return tensors.map(({ shape }, index) => {
    if (!factorable[index] || sync === "dense") return "dense";
    if (sync === "factored" || links === undefined) return "factored";
    const seconds = secondsOf([at(shape, 0), at(shape, 1)], input, links);
    return seconds.factored <= seconds.dense ? "factored" : "dense";
  });
}

/** Minimum bytes of a chunk; smaller ones would cost more than they save. */
const MIN_CHUNK_BYTES = 2 ** 16;
/** Target duration of sending one chunk. */
const CHUNK_SECONDS = 0.02;

/**
 * Returns the bytes of a chunk: as many as the slowest link carries in 20 ms, because all workers wait while the last
 * chunk of a step is sent and its sum returns. No sum depends on the size.
 */
export function planChunkBytes(linkBytesPerSecond: number): number {
  const bytes = Math.round(CHUNK_SECONDS * linkBytesPerSecond);
  return Math.max(MIN_CHUNK_BYTES, Math.min(CHUNK_BYTES, bytes));
}

/**
 * Estimates the seconds that a gradient of shape [inputs, outputs] adds to a step, sent up from each worker and down to
 * each. Assumes that the workers' links are independent (a switch), and that the coordinator's link is as fast as all
 * of them together.
 */
function secondsOf([inputs, outputs]: [number, number], { wire, batchSize }: PlanInput, links: Links) {
  const { workers, linkBytesPerSecond, gemmFlopsPerSecond } = links;
  const bytesEach = BYTES_PER_ELEMENT[wire];
  const dense = elementsOf([inputs, outputs]);
  const ownRows = batchSize / workers;
  const product = (rows: number) => (2 * rows * dense) / gemmFlopsPerSecond;
  const travel = (elements: number) => (bytesEach * elements) / linkBytesPerSecond;
  return {
    dense: travel(2 * dense) + product(ownRows), // the sum up and down; the product for its own rows only
    factored: travel(batchSize * (inputs + outputs)) + product(batchSize), // its own rows up, the others' down
  };
}
