/** Batches made ahead on a thread of their own, while the calling thread computes, even inside native code. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { startThread } from "@lockstep/files";
import { type DatasetOptions, prepareDataset } from "../dataset.ts";
import type { Batch } from "./batch.ts";
import type { BatchConfig, BatchMeta, SliceRequest } from "./batch-source.ts";
import { BatchThreadLink, unexpected } from "./batch-thread-link.ts";
import type { BatchThreadData } from "./batch-thread-main.ts";

/** A thread that makes the batches of a run. */
export interface BatchThread {
  meta: BatchMeta;
  /**
   * Asks for a batch, and for its records if a supply has them. Batches come in the order asked. The memory of those
   * that wait, 4 bytes a value, is bounded by how many are asked for ahead of `take`.
   */
  request(slice: SliceRequest): void;
  /**
   * Resolves with the batch of the oldest request not yet taken. Rejects with the thread's LockstepError; later ones
   * still come.
   */
  next(): Promise<Batch>;
  /** Ends the thread. Batches not taken are lost. */
  close(): Promise<void>;
}

/**
 * Opens the data set on a thread, which keeps the process alive until it is closed. Without files, the records come
 * from `supply` as batches are asked for, or else the data set is downloaded first.
 */
export async function openBatchThread(
  config: BatchConfig,
  { onProgress, log, supply }: Pick<DatasetOptions, "onProgress" | "log" | "supply"> = {},
): Promise<BatchThread> {
  await prepareDataset(config.dataset, { dataDir: config.dataDir, onProgress, log, supply });
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
  /** Batches that were asked for and not yet taken, oldest first. */
  readonly #requested: Promise<Batch>[] = [];

  constructor(link: BatchThreadLink, meta: BatchMeta) {
    this.#link = link;
    this.meta = meta;
  }

  request(slice: SliceRequest): void {
    const batch = this.#nextBatch();
    batch.catch(() => {}); // whoever takes it hears of the error
    this.#requested.push(batch);
    this.#link.post({ type: "make", slice });
  }

  async next(): Promise<Batch> {
    const batch = this.#requested.shift();
    if (batch === undefined) throw new Error("Expected a request before each take.");
    // Node hands on messages that have come meanwhile in one go, up to 1,000 of them. A caller that computes on each
    // would keep the event loop from its timers, signals and sockets, so each batch waits for a turn of the loop.
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
