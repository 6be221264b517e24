/** Acquires the lease on a folder: a file that names the process which may write there. */
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
  type Occupied,
  realEnvironment,
  STALE_MS,
} from "./lease-watch.ts";

/** Milliseconds between two checks of a lease that another process holds, or may hold. */
const POLL_MS = 1000;
/** Milliseconds to wait for a process that is acquiring the lease at this moment. */
const RETRY_MS = 20;

/**
 * Acquires the lease on a folder. If only time can show whether its holder is alive, logs one line and waits.
 *
 * @param path path of the lease file
 * @param dir path of the folder, for messages
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
    if (state === "held") throw leaseBusyError(content, path, dir);
    logOnce(`waiting up to ${STALE_MS / 1000} s to see whether ${describeHolder(content)} is still writing to ${dir}`);
  });
}

/**
 * Acquires the lease on a folder once the process that holds it is done. Logs one line that names that process.
 *
 * @param activity the holder's activity in the folder, such as "installing TensorFlow in /cache"
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
    logOnce(`waiting for ${describeHolder(content)}, which is ${activity}`),
  );
}

/**
 * Throws if another process is known to hold the lease on a folder. Does not wait if that is uncertain.
 *
 * @throws LockstepError ERR_RUN_BUSY
 */
export function assertNoHolder(path: string, dir: string): void {
  const seen = observe(new LeaseWatch(path, realEnvironment()), path);
  if (seen.state === "held") throw leaseBusyError(seen.content, path, dir);
}

/** @param onWait is called for each observation that finds the lease held or unsure; it throws to give up */
async function acquireWhenFree(
  path: string,
  dir: string,
  environment: LeaseEnvironment,
  onWait: (seen: Occupied) => void,
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

/** Removes the file left by a process that was killed while it acquired the lease. */
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
  let isFirst = true;
  return (line) => {
    if (isFirst) log(line);
    isFirst = false;
  };
}
