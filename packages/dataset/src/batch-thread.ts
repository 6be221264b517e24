/** Batches made ahead on a thread of their own, while the calling thread computes, even inside native code. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { LockstepError } from "@lockstep/errors";
import type { Batch } from "./batch.ts";
import type { BatchConfig, BatchMeta, SliceRequest } from "./batch-source.ts";
import type { BatchThreadMessage } from "./batch-thread-main.ts";
import { type DataFilesOptions, prepareDataset } from "./dataset.ts";
import { startThread } from "./start-thread.ts";

export interface BatchThread {
  meta: BatchMeta;
  /**
   * Asks for a batch. The thread makes them in the order asked, so the memory of batches that wait, 4 bytes a value,
   * is bounded by how many are asked for ahead of `take`.
   */
  request(slice: SliceRequest): void;
  /** The batch of the oldest request not yet taken. Rejects with the thread's LockstepError; later ones still come. */
  take(): Promise<Batch>;
  /** Ends the thread. Batches not taken are lost. */
  close(): Promise<void>;
}

type Answer = Exclude<BatchThreadMessage, { type: "error" }>;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** Downloads the data set if need be, and opens it on a thread, which keeps the process alive until it is closed. */
export async function openBatchThread(
  config: BatchConfig,
  { onProgress }: Pick<DataFilesOptions, "onProgress"> = {},
): Promise<BatchThread> {
  await prepareDataset(config.dataset, { dataDir: config.dataDir, onProgress });
  const worker = startThread("batch-thread-main", import.meta.url, config);
  const answers: Waiting[] = [];
  const batches: Promise<Batch>[] = [];
  let failure: Error | undefined;

  worker.on("message", (message: BatchThreadMessage) => {
    const waiting = answers.shift()!;
    if (message.type === "error") waiting.reject(new LockstepError(message.code as `ERR_${string}`, message.message));
    else waiting.resolve(message);
  });
  worker.on("error", fail);
  worker.on("exit", () => fail(new LockstepError("ERR_BATCH_THREAD", "The thread that makes batches has ended.")));

  function fail(error: Error): void {
    failure ??= error;
    for (const waiting of answers.splice(0)) waiting.reject(failure);
  }

  function answer(): Promise<Answer> {
    if (failure !== undefined) return Promise.reject(failure);
    return new Promise((resolve, reject) => answers.push({ resolve, reject }));
  }

  const ready = await answer();
  if (ready.type !== "ready") throw unexpected(ready);
  return {
    meta: ready.meta,
    request(slice) {
      const batch = answer().then((message) => {
        if (message.type !== "batch") throw unexpected(message);
        return message.batch;
      });
      batch.catch(() => {}); // whoever takes it hears of the error
      batches.push(batch);
      worker.postMessage(slice);
    },
    async take() {
      const batch = batches.shift();
      if (batch === undefined) throw new Error("Expected a request before each take.");
      // Node hands on messages that have come meanwhile in one go, up to 1,000 of them. A caller that computes on each
      // would keep the event loop from its timers, signals and sockets, so each batch waits for a turn of the loop.
      await nextTurn();
      return batch;
    },
    async close() {
      await worker.terminate();
    },
  };
}

const unexpected = ({ type }: Answer) => new Error(`The batch thread answered out of turn with ${type}.`);
