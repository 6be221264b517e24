/** Leases on folders: which process may write to one. */
export { acquireLease, assertNoHolder, awaitLease } from "./acquire-lease.ts";
export { Lease } from "./lease.ts";
export { LeaseWatch, realEnvironment } from "./lease-watch.ts";
