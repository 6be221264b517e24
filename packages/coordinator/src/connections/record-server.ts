/** Serves records of the data set to a worker: one response after the other, no faster than the worker reads. */
import { crc32 } from "node:zlib";
import type { RecordSource } from "@lockstep/dataset";
import { LockstepError, messageOf } from "@lockstep/errors";
import { MAX_RECORD_REQUESTS, type MessageOf } from "@lockstep/gradient-sync";
import type { Connection } from "./connection.ts";

type WantRecords = MessageOf<"want-records">;

/** Serves one worker's requests for records. */
export class RecordServer {
  readonly #records: Promise<RecordSource | undefined>;
  readonly #connection: Pick<Connection, "sendMessage" | "drained" | "close">;
  /** Requests without a response, oldest first; the first one is being served. */
  readonly #requests: WantRecords[] = [];

  /** @param records resolves to undefined if this machine does not have the records */
  constructor(
    records: Promise<RecordSource | undefined>,
    connection: Pick<Connection, "sendMessage" | "drained" | "close">,
  ) {
    this.#records = records;
    this.#connection = connection;
  }

  /**
   * Queues a request. Closes the connection if the records cannot be read.
   *
   * @throws LockstepError ERR_RECORDS if too many requests are in flight
   */
  serve(request: WantRecords): void {
    if (this.#requests.push(request) > MAX_RECORD_REQUESTS) {
      const text = `Expected at most ${MAX_RECORD_REQUESTS} requests for records in flight, got one more`;
      throw new LockstepError("ERR_RECORDS", `${text}; wait for a response before sending the next request.`);
    }
    if (this.#requests.length > 1) return;
    this.#sendAll().catch((error) => {
      const { code, message } = asReason(error);
      this.#connection.close(code, message);
    });
  }

  /** Drops the queued requests: the worker has disconnected. */
  close(): void {
    this.#requests.length = 0;
  }

  async #sendAll(): Promise<void> {
    const source = await this.#records;
    for (let request = this.#requests[0]; request !== undefined; request = this.#requests[0]) {
      if (source === undefined) throw new LockstepError("ERR_RECORDS", "The coordinator has no records to serve.");
      const data = source.read(request.part, Uint32Array.from(request.indexes));
      this.#connection.sendMessage({ type: "records", request: request.request, data, crc32: crc32(data) });
      await this.#connection.drained();
      this.#requests.shift();
    }
  }
}

/** Returns the error that the worker receives. An unreadable disk ends the worker's connection, not the coordinator. */
function asReason(error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  const text = `The coordinator could not read the requested records: ${messageOf(error)}`;
  const remedy = "Check the coordinator's disk, or give this worker a local copy with --data-dir.";
  return new LockstepError("ERR_RECORDS", `${text}. ${remedy}`, { cause: error });
}
