/**
 * Locks among the processes of a machine. A lock is a listening socket in Linux's abstract namespace: the kernel frees
 * it with its process, so it cannot go stale, and a waiting process is told at once. It holds within a network namespace:
 * containers do not see each other's. On other systems nothing is locked.
 */
import { createHash } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Holds `name` until the returned function is called, which frees it. Waits for whoever has it, after `onWait`. */
export async function lock(name: string, onWait: () => void): Promise<() => void> {
  for (let told = false; ; told = true) {
    const held = await tryLock(name);
    if (held) return held;
    if (!told) onWait();
    await untilFree(name);
  }
}

/** As `lock`, but gives undefined if another process has it, or this one. A held lock keeps no process from ending. */
export function tryLock(name: string): Promise<(() => void) | undefined> {
  if (process.platform !== "linux") return Promise.resolve(() => {});
  const waiting = new Set<Socket>();
  const server: Server = createServer((socket) => {
    waiting.add(socket);
    socket.unref();
    socket.on("error", () => {}).on("close", () => waiting.delete(socket));
  });
  const release = () => {
    server.close();
    for (const socket of waiting) socket.destroy();
  };
  return new Promise((resolve, reject) => {
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error); // once it listens this says nothing: who could not connect tries again
    });
    server.listen(addressOf(name), () => resolve(release)).unref();
  });
}

/** Waits until the process that has the lock closes our connection to it, or is gone. */
function untilFree(name: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(addressOf(name));
    socket.on("error", () => {}).on("close", () => resolve());
    socket.resume();
  });
}

const addressOf = (name: string) => `\0lockstep-${createHash("sha256").update(name).digest("hex")}`;
