/** Returns the milliseconds of a clock that is the same on all threads of this machine, and only goes forward. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6; // performance.now() counts from the start of each thread
}
