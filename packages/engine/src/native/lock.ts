/**
 * Locks among the processes of a machine. A lock is a listening socket in Linux's abstract namespace: the kernel frees
 * it with its process, so it cannot go stale. It holds within a network namespace: containers do not see each other's.
 * On other systems nothing is locked.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:net";

/**
 * Holds `name` until the returned function is called, which frees it. A held lock keeps no process from ending.
 *
 * @returns undefined if another process has it, or this one
 */
export function tryLock(name: string): Promise<(() => void) | undefined> {
  if (process.platform !== "linux") return Promise.resolve(() => {});
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error); // once it listens this says nothing: who could not connect tries again
    });
    server.listen(addressOf(name), () => resolve(() => void server.close())).unref();
  });
}

const addressOf = (name: string) => `\0lockstep-${createHash("sha256").update(name).digest("hex")}`;
