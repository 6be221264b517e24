/** How a thread that `startThread` started talks with the thread that started it. */
import { type MessagePort, parentPort } from "node:worker_threads";

/** The port to the thread that started this one. */
export function threadPort(): MessagePort {
  if (parentPort === null) throw new Error("Expected to run on a thread that another one has started.");
  return parentPort;
}
