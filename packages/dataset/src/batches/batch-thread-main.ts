/** The other side of batch-thread.ts: opens the data, then answers the requests in the order asked. */
import { parentPort, workerData } from "node:worker_threads";
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import type { RecordPart, RecordSupply, SuppliedFacts } from "../records/record-supply.ts";
import type { Batch } from "./batch.ts";
import { type BatchConfig, type BatchMeta, openBatchSource, type SliceRequest } from "./batch-source.ts";

/** What the thread is started with. */
export interface BatchThreadData {
  config: BatchConfig;
  /** Of the supply, if there is one. */
  facts: SuppliedFacts | undefined;
}

/** To the thread: "make this batch", answered by `batch` or `error`; or "here is what you wanted fetched", or why not. */
export type BatchThreadRequest =
  | { type: "make"; slice: SliceRequest }
  | { type: "records"; fetch: number; records: Uint8Array }
  | { type: "no-records"; fetch: number; code: ErrorCode; message: string };

/**
 * From the thread: "here is what you asked for", first about the data, then batches; or "it failed, and why". In
 * between "I need these records", answered by `records` or `no-records` with the same number, in any order.
 */
export type BatchThreadMessage =
  | { type: "ready"; meta: BatchMeta }
  | { type: "batch"; batch: Batch }
  | { type: "error"; code: ErrorCode; message: string }
  | { type: "fetch"; fetch: number; part: RecordPart; indexes: Uint32Array };

type Answer = Extract<BatchThreadMessage, { type: "batch" | "error" }>;

interface Waiting {
  resolve(records: Uint8Array): void;
  reject(error: Error): void;
}

const port = parentPort!;
const send = (message: BatchThreadMessage, transferred: ArrayBuffer[] = []) => port.postMessage(message, transferred);
const fetches = new Map<number, Waiting>();
let nextFetch = 0;
/** Resolves when all requests so far are answered. */
let answered: Promise<void> = Promise.resolve();

const { config, facts } = workerData as BatchThreadData;
try {
  const source = await openBatchSource(config, facts && supplyOf(facts));
  port.on("message", (message: BatchThreadRequest) => {
    switch (message.type) {
      case "make": {
        const made = source.make(message.slice).then((batch): Answer => ({ type: "batch", batch }), errorAnswer);
        answered = answered.then(async () => sendAnswer(await made)); // one with all its records waits for those before
        break;
      }
      case "records":
        taken(message.fetch).resolve(message.records);
        break;
      case "no-records":
        taken(message.fetch).reject(new LockstepError(message.code, message.message));
        break;
    }
  });
  send({ type: "ready", meta: source.meta });
} catch (error) {
  send(errorAnswer(error));
}

/** Asks the thread that has the supply. */
function supplyOf(facts: SuppliedFacts): RecordSupply {
  return {
    facts,
    fetch(part, indexes) {
      const fetch = nextFetch++;
      send({ type: "fetch", fetch, part, indexes });
      return new Promise((resolve, reject) => fetches.set(fetch, { resolve, reject }));
    },
  };
}

function taken(fetch: number): Waiting {
  const waiting = fetches.get(fetch)!;
  fetches.delete(fetch);
  return waiting;
}

function sendAnswer(answer: Answer): void {
  if (answer.type === "error") send(answer);
  else send(answer, [answer.batch.images.buffer, answer.batch.labels.buffer, answer.batch.sampleIds.buffer]);
}

/** An error thrown on purpose is for whoever asked; any other is a defect and ends the thread. */
function errorAnswer(error: unknown): Extract<BatchThreadMessage, { type: "error" }> {
  if (!(error instanceof LockstepError)) throw error;
  return { type: "error", code: error.code, message: error.message };
}
