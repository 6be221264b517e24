/** Takes the lease of a folder: a file that says which process may write there. */
import { removeIfPossible } from "../best-effort.ts";
import { explainWriteError } from "../explain-write-error.ts";
import { replacementFile } from "../replace-file.ts";
import { readIfPresent } from "../rewrite-file.ts";
import { Lease } from "./lease.ts";
import { describeHolder, leaseBusyError } from "./lease-messages.ts";
import {
  ChangeWatch,
  type LeaseEnvironment,
  LeaseWatch,
  type Observation,
  realEnvironment,
  STALE_MS,
} from "./lease-watch.ts";

/** Time between two looks at a lease that another process holds, or may hold. */
const POLL_MS = 1000;
/** Time to wait for a process that takes the lease at this moment. */
const RETRY_MS = 20;

/**
 * Takes the lease of a folder. Where only time can tell whether its holder is alive, it says so in a line and waits.
 *
 * @param path the lease's file
 * @param dir the folder, for messages
 * @throws LockstepError ERR_RUN_BUSY if another process holds it; ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
export async function acquireLease(
  path: string,
  dir: string,
  log: (line: string) => void,
  environment: LeaseEnvironment = realEnvironment(),
): Promise<Lease> {
  const logOnce = once(log);
  return await acquireWhenFree(path, dir, environment, ({ state, content }) => {
    if (state === "held") throw leaseBusyError(content!, path, dir);
    logOnce(`waiting up to ${STALE_MS / 1000} s to see whether ${describeHolder(content!)} still writes to ${dir}`);
  });
}

/**
 * Takes the lease of a folder as `acquireLease` does, once the process that holds it is done. It says in one line for which
 * process it waits.
 *
 * @param activity what the holder does in the folder, such as "installing TensorFlow in /cache"
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
export async function awaitLease(
  path: string,
  dir: string,
  activity: string,
  log: (line: string) => void,
  environment: LeaseEnvironment = realEnvironment(),
): Promise<Lease> {
  const logOnce = once(log);
  return await acquireWhenFree(path, dir, environment, ({ content }) =>
    logOnce(`waiting for ${describeHolder(content!)}, which is ${activity}`),
  );
}

/**
 * Makes sure that no process is known to hold the lease of a folder, without waiting to find out.
 *
 * @throws LockstepError ERR_RUN_BUSY
 */
export function assertNoHolder(path: string, dir: string): void {
  const { state, content } = observe(new LeaseWatch(path, realEnvironment()), path);
  if (state === "held") throw leaseBusyError(content!, path, dir);
}

/** @param onWait is told of each look that finds the lease held, or that cannot tell; throws to give up */
async function acquireWhenFree(
  path: string,
  dir: string,
  environment: LeaseEnvironment,
  onWait: (seen: Observation) => void,
): Promise<Lease> {
  const lease = new Lease(path, dir, environment);
  const watch = new LeaseWatch(path, environment);
  const replacement = new ChangeWatch(environment);
  for (;;) {
    const seen = observe(watch, path);
    if (seen.state !== "free") onWait(seen);
    else if (lease.put(seen.content)) return lease;
    else removeIfStale(replacementFile(path), replacement);
    await environment.pause(seen.state === "free" ? RETRY_MS : POLL_MS);
  }
}

/** Removes the file that a process which was killed while it took the lease has left. */
function removeIfStale(path: string, watch: ChangeWatch): void {
  const content = readIfPresent(path);
  if (content !== undefined && watch.judge(content) === "free") removeIfPossible(path);
}

function observe(watch: LeaseWatch, path: string): Observation {
  try {
    return watch.observe();
  } catch (error) {
    throw explainWriteError(path, 0, error);
  }
}

function once(log: (line: string) => void): (line: string) => void {
  let logged = false;
  return (line) => {
    if (!logged) log(line);
    logged = true;
  };
}
