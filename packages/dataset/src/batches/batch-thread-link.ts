/** The caller's side of the batch thread: receives its replies in request order, and fetches records for it. */
import type { Worker } from "node:worker_threads";
import { LockstepError } from "@lockstep/errors";
import { reasonOf } from "@lockstep/outbound";
import type { RecordSplit, RecordSupply } from "../records/record-supply.ts";
import type { BatchThreadMessage, BatchThreadRequest } from "./batch-thread-main.ts";

type FetchMessage = Extract<BatchThreadMessage, { type: "fetch" }>;

/** A reply of the thread: facts about its data, or a batch. */
export type Reply = Exclude<BatchThreadMessage, FetchMessage | { type: "error" }>;

interface PendingReply {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

type LinkState = { name: "open" } | { name: "ended"; error: Error };

/**
 * Resolves the oldest pending reply with each message of the thread. All pending replies reject when the thread ends.
 */
export class BatchThreadLink {
  readonly #thread: Worker;
  readonly #supply: RecordSupply | undefined;
  readonly #pending: PendingReply[] = [];
  #state: LinkState = { name: "open" };

  constructor(thread: Worker, supply: RecordSupply | undefined) {
    this.#thread = thread;
    this.#supply = supply;
    thread.on("message", (message: BatchThreadMessage) => this.#receive(message));
    thread.on("error", (error) => this.#end(error));
    thread.on("exit", () =>
      this.#end(new LockstepError("ERR_BATCH_THREAD", "The thread that prepares batches has exited.")),
    );
  }

  post(message: BatchThreadRequest, transferred: ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transferred);
  }

  /**
   * Resolves with the reply to the oldest request that no earlier call waits for. Rejects with
   * the thread's LockstepError.
   */
  reply(): Promise<Reply> {
    if (this.#state.name === "ended") return Promise.reject(this.#state.error);
    return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }));
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    await this.#thread.terminate();
  }

  #receive(message: BatchThreadMessage): void {
    if (message.type === "fetch") {
      void this.#fetch(message);
      return;
    }
    const pending = this.#pending.shift();
    if (message.type === "error") pending?.reject(new LockstepError(message.code, message.message));
    else pending?.resolve(message);
  }

  #end(error: Error): void {
    if (this.#state.name === "ended") return;
    this.#state = { name: "ended", error };
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }

  /**
   * Fetches records for the thread. Reports a failure to the thread, so that the batch that needs the records fails.
   */
  async #fetch({ fetch, split, indexes }: FetchMessage): Promise<void> {
    try {
      if (this.#supply === undefined) throw new Error("this process has no supply of records");
      // Copy them: the records may be a view of a larger message.
      const records = new Uint8Array(await this.#supply.fetch(split, indexes));
      this.post({ type: "records", fetch, records }, [records.buffer]);
    } catch (error) {
      const { code, message } = error instanceof LockstepError ? error : noRecords(split, indexes, error);
      this.post({ type: "no-records", fetch, code, message });
    }
  }
}

/** Makes the error for a reply that does not match the request, which is a defect. */
export const unexpected = ({ type }: Reply) => new Error(`The batch thread sent an unexpected reply: ${type}.`);

function noRecords(split: RecordSplit, { length }: Uint32Array, cause: unknown): LockstepError {
  return new LockstepError(
    "ERR_RECORDS",
    `Expected ${length} records of the ${split} files from the coordinator, got an error: ${reasonOf(cause)}. Check that ` +
      "the coordinator is running and reachable, or pass the folder of the data set's files with --data-dir.",
    { cause },
  );
}
