/** The other side of batch-thread.ts: opens the data, then answers each request in turn. */
import { parentPort, workerData } from "node:worker_threads";
import { LockstepError } from "@lockstep/errors";
import type { Batch } from "./batch.ts";
import { type BatchConfig, type BatchMeta, openBatchSource, type SliceRequest } from "./batch-source.ts";

/** From the thread: "here is what you asked for", first about the data, then batches; or "it failed, and why". */
export type BatchThreadMessage =
  | { type: "ready"; meta: BatchMeta }
  | { type: "batch"; batch: Batch }
  | { type: "error"; code: string; message: string };

const port = parentPort!;
const send = (message: BatchThreadMessage, transferred: ArrayBuffer[] = []) => port.postMessage(message, transferred);

try {
  const source = await openBatchSource(workerData as BatchConfig);
  port.on("message", (slice: SliceRequest) => {
    try {
      const batch = source.make(slice);
      send({ type: "batch", batch }, [batch.images.buffer, batch.labels.buffer, batch.sampleIds.buffer]);
    } catch (error) {
      report(error);
    }
  });
  send({ type: "ready", meta: source.meta });
} catch (error) {
  report(error);
}

/** An error thrown on purpose is for whoever asked; any other is a defect and ends the thread. */
function report(error: unknown): void {
  if (!(error instanceof LockstepError)) throw error;
  send({ type: "error", code: error.code, message: error.message });
}
