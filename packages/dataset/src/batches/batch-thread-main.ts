/** The other side of batch-thread.ts: opens the data, then answers the requests in the order asked. */
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

/** What the thread is started with. */
export interface BatchThreadData {
  config: BatchConfig;
  /** Facts of the supply, if there is one. */
  facts: SuppliedFacts | undefined;
}

/**
 * What the thread is told: "make this batch", answered by `batch` or `error`; or "here is what you wanted fetched", or
 * why not.
 */
export type BatchThreadRequest =
  | { type: "make"; slice: SliceRequest }
  | { type: "records"; fetch: number; records: Uint8Array }
  | { type: "no-records"; fetch: number; code: ErrorCode; message: string };

/**
 * What the thread says: "here is what you asked for", first about the data, then batches; or "it failed, and why". In
 * between "I need these records", answered by `records` or `no-records` with the same number, in any order.
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

/** A supply whose records come from the thread that started this one. */
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
 * Makes batches at the same time, and sends them in the order asked: one with all its records waits for those before.
 */
class BatchQueue {
  readonly #source: BatchSource;
  /** Resolves when all requests so far are answered. */
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

/** Makes an answer of an error thrown on purpose; any other is a defect and ends the thread. */
function errorReply(error: unknown): Extract<BatchThreadMessage, { type: "error" }> {
  if (!(error instanceof LockstepError)) throw error;
  return { type: "error", code: error.code, message: error.message };
}
