/** Requests for records of the data set that this worker has sent to the coordinator. */
import { crc32 } from "node:zlib";
import type { RecordSplit } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import type { MessageOf, WorkerMessage } from "@lockstep/gradient-sync";
import { Deferred } from "./deferred.ts";

/** Numbers the requests and matches each response with its request. */
export class RecordRequests {
  readonly #send: (message: WorkerMessage) => void;
  readonly #pending = new Map<number, Deferred<Uint8Array>>();
  #requests = 0;

  constructor(send: (message: WorkerMessage) => void) {
    this.#send = send;
  }

  /** Requests records. Rejects with ERR_RECORDS if they arrive damaged, and with the error given to `fail`. */
  request(split: RecordSplit, indexes: Uint32Array): Promise<Uint8Array> {
    const request = this.#requests++;
    const response = new Deferred<Uint8Array>();
    this.#pending.set(request, response);
    this.#send({ type: "want-records", request, part: split, indexes: [...indexes] });
    return response.promise;
  }

  /** Resolves the request that these records belong to. */
  deliver({ request, data, crc32: expected }: MessageOf<"records">): void {
    const response = this.#pending.get(request);
    this.#pending.delete(request);
    if (crc32(data) === expected) response?.resolve(data);
    else response?.reject(new LockstepError("ERR_RECORDS", "Records from the coordinator were damaged in transit."));
  }

  /** Rejects all pending requests: no more responses will arrive. */
  fail(error: Error): void {
    for (const response of this.#pending.values()) response.reject(error);
    this.#pending.clear();
  }
}
