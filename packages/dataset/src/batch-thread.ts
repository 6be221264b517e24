/** Batches made ahead on a thread of their own, while the calling thread computes, even inside native code. */
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

/** Downloads the data set if need be, and opens it on a thread. The thread keeps the process alive only while it works. */
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
    if (answers.length === 0) worker.unref();
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
    worker.ref();
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
    take() {
      const batch = batches.shift();
      if (batch === undefined) throw new Error("Expected a request before each take.");
      return batch;
    },
    async close() {
      worker.ref(); // else the process could end before the thread, and what waits for this would never run
      await worker.terminate();
    },
  };
}

const unexpected = ({ type }: Answer) => new Error(`The batch thread answered out of turn with ${type}.`);
