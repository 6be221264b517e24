/** Renews a lease on a separate thread, which keeps running while the main thread computes, even inside native code. */
import type { Worker } from "node:worker_threads";
import { startThread } from "../thread/start-thread.ts";
import { keepRenewing, type Renewal } from "./renew-lease.ts";

/**
 * Renews a lease as `keepRenewing` does, on a thread that does not keep the process alive. If no thread can be started,
 * a timer on this thread renews the lease.
 */
export function renewOnThread(
  renewal: Renewal,
  onReplaced: (found: string | undefined) => void,
  start: typeof startThread = startThread,
): () => void {
  let thread: Worker | undefined;
  let endTimer = () => {};
  let ended = false;
  const onTimer = () => {
    if (!ended) endTimer = keepRenewing(renewal, onReplaced);
  };
  try {
    thread = start("lease-thread", import.meta.url, renewal);
    thread.on("message", onReplaced).once("error", onTimer).unref();
  } catch {
    onTimer();
  }
  return () => {
    ended = true;
    void thread?.terminate();
    endTimer();
  };
}
