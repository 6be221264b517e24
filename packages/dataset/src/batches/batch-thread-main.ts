/** The main module of the batch thread: opens the data set, then replies to requests in order. */
import { workerData } from "node:worker_threads";
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import { threadPort } from "@lockstep/files";
import type { RecordSplit, RecordSupply, SuppliedFacts } from "../records/record-supply.ts";
import type { Batch } from "./batch.ts";
import {
  type BatchConfig,
  type BatchMeta,
  type BatchSource,
  openBatchSource,
  type SliceRequest,
} from "./batch-source.ts";

/** The data that the thread is started with. */
export interface BatchThreadData {
  config: BatchConfig;
  /** Facts of the supply, if there is one. */
  facts: SuppliedFacts | undefined;
}

/**
 * A message to the thread: a request for a batch, to which it replies with `batch` or `error`; or the records that it
 * fetched, or the error of that fetch.
 */
export type BatchThreadRequest =
  | { type: "make"; slice: SliceRequest }
  | { type: "records"; fetch: number; records: Uint8Array }
  | { type: "no-records"; fetch: number; code: ErrorCode; message: string };

/**
 * A message from the thread: first the facts about its data, then batches; or an error. In between, a request to fetch
 * records, to which the caller replies with `records` or `no-records` with the same number, in any order.
 */
export type BatchThreadMessage =
  | { type: "ready"; meta: BatchMeta }
  | { type: "batch"; batch: Batch }
  | { type: "error"; code: ErrorCode; message: string }
  | { type: "fetch"; fetch: number; split: RecordSplit; indexes: Uint32Array };

type BatchReply = Extract<BatchThreadMessage, { type: "batch" | "error" }>;

interface PendingFetch {
  resolve(records: Uint8Array): void;
  reject(error: Error): void;
}

/** A supply that fetches records through the thread that started this one. */
class RemoteSupply implements RecordSupply {
  readonly facts: SuppliedFacts;
  readonly #pending = new Map<number, PendingFetch>();
  #fetches = 0;

  constructor(facts: SuppliedFacts) {
    this.facts = facts;
  }

  fetch(split: RecordSplit, indexes: Uint32Array): Promise<Uint8Array> {
    const fetch = this.#fetches++;
    send({ type: "fetch", fetch, split, indexes });
    return new Promise((resolve, reject) => this.#pending.set(fetch, { resolve, reject }));
  }

  records(fetch: number, records: Uint8Array): void {
    this.#pending.get(fetch)?.resolve(records);
    this.#pending.delete(fetch);
  }

  failed(fetch: number, error: LockstepError): void {
    this.#pending.get(fetch)?.reject(error);
    this.#pending.delete(fetch);
  }
}

/**
 * Makes batches concurrently, and sends them in request order: a batch with all its records waits for those before it.
 */
class BatchQueue {
  readonly #source: BatchSource;
  /** Resolves when the reply to the last request is sent. */
  #lastReply: Promise<void> = Promise.resolve();

  constructor(source: BatchSource) {
    this.#source = source;
  }

  make(slice: SliceRequest): void {
    const made = this.#source.make(slice).then((batch): BatchReply => ({ type: "batch", batch }), errorReply);
    this.#lastReply = this.#lastReply.then(async () => sendReply(await made));
  }
}

const port = threadPort();
const { config, facts } = workerData as BatchThreadData;
try {
  const supply = facts && new RemoteSupply(facts);
  const source = await openBatchSource(config, supply);
  const queue = new BatchQueue(source);
  port.on("message", (message: BatchThreadRequest) => {
    switch (message.type) {
      case "make":
        return queue.make(message.slice);
      case "records":
        return supply?.records(message.fetch, message.records);
      case "no-records":
        return supply?.failed(message.fetch, new LockstepError(message.code, message.message));
    }
  });
  send({ type: "ready", meta: source.meta });
} catch (error) {
  send(errorReply(error));
}

function sendReply(reply: BatchReply): void {
  if (reply.type === "error") send(reply);
  else send(reply, [reply.batch.images.buffer, reply.batch.labels.buffer, reply.batch.sampleIds.buffer]);
}

function send(message: BatchThreadMessage, transferred: ArrayBuffer[] = []): void {
  port.postMessage(message, transferred);
}

/** Makes the reply for a LockstepError. Any other error is a defect and ends the thread. */
function errorReply(error: unknown): Extract<BatchThreadMessage, { type: "error" }> {
  if (!(error instanceof LockstepError)) throw error;
  return { type: "error", code: error.code, message: error.message };
}
