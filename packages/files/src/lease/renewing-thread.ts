/** Renews a lease on a thread of its own, which goes on while the main thread computes, even inside native code. */
import type { Worker } from "node:worker_threads";
import { startThread } from "../thread/start-thread.ts";
import { keepRenewing, type Renewal } from "./renew-lease.ts";

/**
 * Does what `keepRenewing` does, on a thread that does not keep the process alive. Where no thread can be had, a timer of
 * this thread renews the lease.
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
