/** Takes the lease of a folder: a file that says which process may write there. */
import { removeIfPossible } from "../best-effort.ts";
import { explainWriteError } from "../explain-write-error.ts";
import { takingFile } from "../replace-file.ts";
import { readIfThere } from "../rewrite-file.ts";
import { Lease } from "./lease.ts";
import { ChangeWatch, LeaseWatch, type LeaseWorld, type Observation, realWorld, STALE_MS } from "./lease-watch.ts";
import { busy, holderIn } from "./lease-words.ts";

/** Time between two looks at a lease that another process holds, or may hold. */
const LOOK_MS = 1000;
/** Time to wait for a process that takes the lease at this moment. */
const TAKING_MS = 20;

/**
 * Takes the lease of a folder. Where only time can tell whether its holder is alive, it says so in a line and waits.
 *
 * @param path the lease's file
 * @param dir the folder, for messages
 * @throws LockstepError ERR_RUN_BUSY if another process holds it; ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
export async function takeLease(
  path: string,
  dir: string,
  say: (line: string) => void,
  world: LeaseWorld = realWorld(),
): Promise<Lease> {
  const sayOnce = once(say);
  return await takeWhenFree(path, dir, world, ({ state, content }) => {
    if (state === "held") throw busy(content!, path, dir);
    sayOnce(`waiting up to ${STALE_MS / 1000} s to see whether ${holderIn(content!)} still writes to ${dir}`);
  });
}

/**
 * Takes the lease of a folder as `takeLease` does, once the process that holds it is done. It says in one line for which
 * process it waits.
 *
 * @param doing what the holder does in the folder, such as "installing TensorFlow in /cache"
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
export async function awaitLease(
  path: string,
  dir: string,
  doing: string,
  say: (line: string) => void,
  world: LeaseWorld = realWorld(),
): Promise<Lease> {
  const sayOnce = once(say);
  return await takeWhenFree(path, dir, world, ({ content }) =>
    sayOnce(`waiting for ${holderIn(content!)}, which is ${doing}`),
  );
}

/**
 * Makes sure that no process is known to hold the lease of a folder, without waiting to find out.
 *
 * @throws LockstepError ERR_RUN_BUSY
 */
export function assertNoHolder(path: string, dir: string): void {
  const { state, content } = lookAt(new LeaseWatch(path, realWorld()), path);
  if (state === "held") throw busy(content!, path, dir);
}

/** @param onWait is told of each look that finds the lease held, or that cannot tell; throws to give up */
async function takeWhenFree(
  path: string,
  dir: string,
  world: LeaseWorld,
  onWait: (seen: Observation) => void,
): Promise<Lease> {
  const lease = new Lease(path, dir, world);
  const watch = new LeaseWatch(path, world);
  const taking = new ChangeWatch(world);
  for (;;) {
    const seen = lookAt(watch, path);
    if (seen.state !== "free") onWait(seen);
    else if (lease.put(seen.content)) return lease;
    else removeIfStale(takingFile(path), taking);
    await world.pause(seen.state === "free" ? TAKING_MS : LOOK_MS);
  }
}

/** Removes the file that a process which was killed while it took the lease has left. */
function removeIfStale(path: string, watch: ChangeWatch): void {
  const content = readIfThere(path);
  if (content !== undefined && watch.judge(content) === "free") removeIfPossible(path);
}

function lookAt(watch: LeaseWatch, path: string): Observation {
  try {
    return watch.look();
  } catch (error) {
    throw explainWriteError(path, 0, error);
  }
}

function once(say: (line: string) => void): (line: string) => void {
  let said = false;
  return (line) => {
    if (!said) say(line);
    said = true;
  };
}
