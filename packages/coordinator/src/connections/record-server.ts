/** Gives a worker the records of the data set that it asks for, one answer after the other, as it reads them. */
import { crc32 } from "node:zlib";
import type { RecordSource } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import { type CoordinatorMessage, MAX_RECORD_REQUESTS, type WorkerMessage } from "@lockstep/gradient-sync";

type WantRecords = Extract<WorkerMessage, { type: "want-records" }>;

export interface RecordServerOptions {
  records: Promise<RecordSource | undefined>;
  send(message: CoordinatorMessage): void;
  /** Resolves when what was sent is read, or never will be. */
  drained(): Promise<void>;
  /** A request was wrong: the worker is to be let go. */
  refuse(error: LockstepError): void;
}

export class RecordServer {
  readonly #options: RecordServerOptions;
  /** Requests without an answer; the first one's is being sent. */
  readonly #asked: WantRecords[] = [];

  constructor(options: RecordServerOptions) {
    this.#options = options;
  }

  /** @throws LockstepError ERR_RECORDS for a request too many */
  serve(request: WantRecords): void {
    if (this.#asked.push(request) > MAX_RECORD_REQUESTS) {
      const remedy = "wait for answers before asking for more";
      throw new LockstepError("ERR_RECORDS", `More than ${MAX_RECORD_REQUESTS} requests have no answer; ${remedy}.`);
    }
    if (this.#asked.length === 1) this.#answerAll().catch((error) => this.#options.refuse(asReason(error)));
  }

  /** Nobody is there to read any more. */
  close(): void {
    this.#asked.length = 0;
  }

  async #answerAll(): Promise<void> {
    const source = await this.#options.records;
    for (let request = this.#asked[0]; request !== undefined; request = this.#asked[0]) {
      if (source === undefined) throw new LockstepError("ERR_RECORDS", "The coordinator has no records to give.");
      const data = source.read(request.part, Uint32Array.from(request.indexes));
      this.#options.send({ type: "records", request: request.request, data, crc32: crc32(data) });
      await this.#options.drained();
      this.#asked.shift();
    }
  }
}

/** A disk of the coordinator that cannot be read ends what asked for its records, and not the coordinator. */
function asReason(error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  const text = `The coordinator could not read the records that it was asked for: ${(error as Error).message}`;
  const remedy = "See that its disk is there, or name a folder of this machine with --data-dir.";
  return new LockstepError("ERR_RECORDS", `${text}. ${remedy}`, { cause: error });
}
