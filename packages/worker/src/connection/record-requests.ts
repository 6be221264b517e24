/** Records of the data set that this worker has asked the coordinator for. */
import { crc32 } from "node:zlib";
import type { RecordSplit } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import type { MessageOf, WorkerMessage } from "@lockstep/gradient-sync";
import { Deferred } from "./deferred.ts";

/** Numbers the requests, and hands each answer to whoever asked. */
export class RecordRequests {
  readonly #send: (message: WorkerMessage) => void;
  readonly #pending = new Map<number, Deferred<Uint8Array>>();
  #requests = 0;

  constructor(send: (message: WorkerMessage) => void) {
    this.#send = send;
  }

  /** Asks for records. Rejects with ERR_RECORDS if they come damaged, and with the error given to `fail`. */
  request(split: RecordSplit, indexes: Uint32Array): Promise<Uint8Array> {
    const request = this.#requests++;
    const response = new Deferred<Uint8Array>();
    this.#pending.set(request, response);
    this.#send({ type: "want-records", request, part: split, indexes: [...indexes] });
    return response.promise;
  }

  /** Hands over the records of a request, which the coordinator has sent. */
  deliver({ request, data, crc32: expected }: MessageOf<"records">): void {
    const response = this.#pending.get(request);
    this.#pending.delete(request);
    if (crc32(data) === expected) response?.resolve(data);
    else response?.reject(new LockstepError("ERR_RECORDS", "Records from the coordinator were damaged on the way."));
  }

  /** Rejects all requests: no more answers will come. */
  fail(error: Error): void {
    for (const response of this.#pending.values()) response.reject(error);
    this.#pending.clear();
  }
}
