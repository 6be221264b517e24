/** Gives a worker the records of the data set that it asks for, one answer after the other, as it reads them. */
import { crc32 } from "node:zlib";
import type { RecordSource } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import { MAX_RECORD_REQUESTS, type MessageOf } from "@lockstep/gradient-sync";
import type { Connection } from "./connection.ts";

type WantRecords = MessageOf<"want-records">;

/** Answers one worker's requests for records. */
export class RecordServer {
  readonly #records: Promise<RecordSource | undefined>;
  readonly #connection: Pick<Connection, "sendMessage" | "drained" | "close">;
  /** Requests without an answer; the first one's is being sent. */
  readonly #requests: WantRecords[] = [];

  /** @param records undefined if this machine does not have them */
  constructor(
    records: Promise<RecordSource | undefined>,
    connection: Pick<Connection, "sendMessage" | "drained" | "close">,
  ) {
    this.#records = records;
    this.#connection = connection;
  }

  /**
   * Answers a request after those before it. Closes the connection if the records cannot be read.
   *
   * @throws LockstepError ERR_RECORDS for a request too many
   */
  serve(request: WantRecords): void {
    if (this.#requests.push(request) > MAX_RECORD_REQUESTS) {
      const remedy = "wait for answers before asking for more";
      throw new LockstepError("ERR_RECORDS", `More than ${MAX_RECORD_REQUESTS} requests have no answer; ${remedy}.`);
    }
    if (this.#requests.length > 1) return;
    this.#sendAll().catch((error) => {
      const { code, message } = asReason(error);
      this.#connection.close(code, message);
    });
  }

  /** Forgets the requests: nobody is there to read the answers. */
  close(): void {
    this.#requests.length = 0;
  }

  async #sendAll(): Promise<void> {
    const source = await this.#records;
    for (let request = this.#requests[0]; request !== undefined; request = this.#requests[0]) {
      if (source === undefined) throw new LockstepError("ERR_RECORDS", "The coordinator has no records to give.");
      const data = source.read(request.part, Uint32Array.from(request.indexes));
      this.#connection.sendMessage({ type: "records", request: request.request, data, crc32: crc32(data) });
      await this.#connection.drained();
      this.#requests.shift();
    }
  }
}

/** Returns the reason that a worker hears: a disk that cannot be read ends its connection, and not the coordinator. */
function asReason(error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  const why = error instanceof Error ? error.message : String(error);
  const text = `The coordinator could not read the records that it was asked for: ${why}`;
  const remedy = "See that its disk is there, or name a folder of this machine with --data-dir.";
  return new LockstepError("ERR_RECORDS", `${text}. ${remedy}`, { cause: error });
}
