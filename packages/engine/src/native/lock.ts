/**
 * Locks among the processes of a machine. A lock is a listening socket in Linux's abstract namespace: the kernel frees
 * it with its process, so it cannot go stale. Locks belong to a network namespace: containers do not see each other's.
 * On other systems nothing is locked.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:net";

/**
 * Locks `name` until the returned function is called. A lock does not keep its process alive.
 *
 * @returns undefined if this process or another one holds the lock
 */
export function tryLock(name: string): Promise<(() => void) | undefined> {
  if (process.platform !== "linux") return Promise.resolve(() => {});
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error); // ignored once the lock is held: the promise is settled
    });
    server.listen(addressOf(name), () => resolve(() => void server.close())).unref();
  });
}

const addressOf = (name: string) => `\0lockstep-${createHash("sha256").update(name).digest("hex")}`;
