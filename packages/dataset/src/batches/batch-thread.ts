/** Makes batches ahead of time on a separate thread, while the calling thread computes, even inside native code. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { startThread } from "@lockstep/files";
import { existingCifar10 } from "../cifar10/provide-cifar10.ts";
import { type DatasetOptions, prepareDataset } from "../dataset.ts";
import type { Batch } from "./batch.ts";
import type { BatchConfig, BatchMeta, SliceRequest } from "./batch-source.ts";
import { BatchThreadLink, unexpected } from "./batch-thread-link.ts";
import type { BatchThreadData } from "./batch-thread-main.ts";

/** A thread that makes the batches of a run. */
export interface BatchThread {
  meta: BatchMeta;
  /**
   * Requests a batch, and its records if a supply has them. Batches arrive in request order. A waiting batch takes 4
   * bytes per value; the caller bounds this memory by how many it requests ahead of `next`.
   */
  request(slice: SliceRequest): void;
  /**
   * Resolves with the batch of the oldest pending request. Rejects with the thread's LockstepError; later batches still
   * arrive.
   */
  next(): Promise<Batch>;
  /** Ends the thread and discards pending batches. */
  close(): Promise<void>;
}

/**
 * Opens the data set on a thread, which keeps the process alive until it is closed. If there are no files, `supply`
 * provides the records of each requested batch; without a supply, the data set is downloaded first. A log line precedes
 * the reading of large files.
 */
export async function openBatchThread(
  config: BatchConfig,
  { onProgress, log = () => {}, supply }: Pick<DatasetOptions, "onProgress" | "log" | "supply"> = {},
): Promise<BatchThread> {
  await prepareDataset(config.dataset, { dataDir: config.dataDir, onProgress, log, supply });
  if (config.dataset !== "shapes" && existingCifar10(config) !== undefined) log("reading CIFAR-10");
  const data: BatchThreadData = { config, facts: supply?.facts };
  const link = new BatchThreadLink(startThread("batch-thread-main", import.meta.url, data), supply);
  try {
    const reply = await link.reply();
    if (reply.type !== "ready") throw unexpected(reply);
    return new OpenBatchThread(link, reply.meta);
  } catch (error) {
    await link.close();
    throw error;
  }
}

/** A thread that has opened its data set. */
class OpenBatchThread implements BatchThread {
  readonly meta: BatchMeta;
  readonly #link: BatchThreadLink;
  /** Pending batches, oldest first. */
  readonly #requested: Promise<Batch>[] = [];

  constructor(link: BatchThreadLink, meta: BatchMeta) {
    this.#link = link;
    this.meta = meta;
  }

  request(slice: SliceRequest): void {
    const batch = this.#nextBatch();
    batch.catch(() => {}); // `next` reports the error
    this.#requested.push(batch);
    this.#link.post({ type: "make", slice });
  }

  async next(): Promise<Batch> {
    const batch = this.#requested.shift();
    if (batch === undefined) throw new Error("Expected a request before each call of next().");
    // Node delivers up to 1,000 queued messages without a turn of the event loop. A caller that computes on each batch
    // would starve timers, signals and sockets, so each batch waits for one turn of the loop.
    await nextTurn();
    return batch;
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  async #nextBatch(): Promise<Batch> {
    const reply = await this.#link.reply();
    if (reply.type !== "batch") throw unexpected(reply);
    return reply.batch;
  }
}
