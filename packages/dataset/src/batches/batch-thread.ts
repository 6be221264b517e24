/** Batches made ahead on a thread of their own, while the calling thread computes, even inside native code. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { LockstepError } from "@lockstep/errors";
import { startThread } from "@lockstep/files";
import { reasonOf } from "@lockstep/outbound";
import { type DatasetOptions, prepareDataset } from "../dataset.ts";
import type { RecordPart, RecordSupply } from "../records/record-supply.ts";
import type { Batch } from "./batch.ts";
import type { BatchConfig, BatchMeta, SliceRequest } from "./batch-source.ts";
import type { BatchThreadData, BatchThreadMessage, BatchThreadRequest } from "./batch-thread-main.ts";

/** A thread that makes the batches of a run. */
export interface BatchThread {
  meta: BatchMeta;
  /**
   * Asks for a batch, and for its records if a supply has them. Batches come in the order asked. The memory of those
   * that wait, 4 bytes a value, is bounded by how many are asked for ahead of `take`.
   */
  request(slice: SliceRequest): void;
  /** The batch of the oldest request not yet taken. Rejects with the thread's LockstepError; later ones still come. */
  take(): Promise<Batch>;
  /** Ends the thread. Batches not taken are lost. */
  close(): Promise<void>;
}

type FetchMessage = Extract<BatchThreadMessage, { type: "fetch" }>;
type Answer = Exclude<BatchThreadMessage, FetchMessage | { type: "error" }>;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
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
  const worker = startThread("batch-thread-main", import.meta.url, data);
  const post = (message: BatchThreadRequest, transferred: ArrayBuffer[] = []) =>
    worker.postMessage(message, transferred);
  const answers: Waiting[] = [];
  const batches: Promise<Batch>[] = [];
  let failure: Error | undefined;

  worker.on("message", (message: BatchThreadMessage) => {
    if (message.type === "fetch") return void answerFetch(supply!, message, post);
    const waiting = answers.shift()!;
    if (message.type === "error") waiting.reject(new LockstepError(message.code, message.message));
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

  const ready = await answer().catch(async (error) => {
    await worker.terminate();
    throw error;
  });
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
      post({ type: "make", slice });
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

/** The thread is told of a failure as well, so that the batch which waits for the records fails. */
async function answerFetch(
  supply: RecordSupply,
  { fetch, part, indexes }: FetchMessage,
  post: (message: BatchThreadRequest, transferred?: ArrayBuffer[]) => void,
): Promise<void> {
  try {
    const records = new Uint8Array(await supply.fetch(part, indexes)); // a copy: they may lie in a larger message
    post({ type: "records", fetch, records }, [records.buffer]);
  } catch (error) {
    const { code, message } = error instanceof LockstepError ? error : noRecords(part, indexes, error);
    post({ type: "no-records", fetch, code, message });
  }
}

function noRecords(part: RecordPart, { length }: Uint32Array, cause: unknown): LockstepError {
  return new LockstepError(
    "ERR_RECORDS",
    `Expected ${length} records of the ${part} files from the coordinator, got an error: ${reasonOf(cause)}. See that ` +
      "the coordinator runs and can be reached, or name the folder of the data set's files with --data-dir.",
    { cause },
  );
}

const unexpected = ({ type }: Answer) => new Error(`The batch thread answered out of turn with ${type}.`);
