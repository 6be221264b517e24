/** Connects a thread that `startThread` started with the thread that started it. */
import { type MessagePort, parentPort } from "node:worker_threads";

/** Returns the port to the thread that started this one. */
export function threadPort(): MessagePort {
  if (parentPort === null) throw new Error("Expected to run in a worker thread, got the main thread.");
  return parentPort;
}
