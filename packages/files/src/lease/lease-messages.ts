/** Messages about leases and their holders. */
import { LockstepError } from "@lockstep/errors";
import { formatDuration } from "../duration.ts";
import { parseLease } from "./lease-holder.ts";

/** Describes the holder in a lease file: `process 12 on host-a`. */
export function describeHolder(content: string): string {
  const lease = parseLease(content);
  if (lease === undefined) return "an unknown process";
  return lease.token === undefined
    ? `process ${lease.pid}, of an earlier version of Lockstep`
    : `process ${lease.pid} on ${lease.host}`;
}

/** Makes the error for a folder `dir` whose lease, in the file `path`, another process holds. */
export function leaseBusyError(content: string, path: string, dir: string): LockstepError {
  const lease = parseLease(content);
  const holder = holderAsSubject(content);
  const text =
    lease?.token === undefined
      ? `${holder} seems to be writing to ${dir}. Wait for it to finish, or stop it. If no run is active, delete ${path}.`
      : `${holder} has been writing to ${dir} for ${formatDuration(Number(lease.heldMs) / 1000)}. Wait for it to finish, or stop it.`;
  return new LockstepError("ERR_RUN_BUSY", text);
}

/** Describes the holder at the start of a sentence, with the comma that a longer description needs. */
export function holderAsSubject(content: string): string {
  const holder = describeHolder(content);
  return `${holder.charAt(0).toUpperCase()}${holder.slice(1)}${holder.includes(",") ? "," : ""}`;
}
