/** A clock that all threads of a machine share. */

/** Returns milliseconds of a monotonic clock that is the same on all threads of this machine. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6; // performance.now() counts from the start of each thread
}
