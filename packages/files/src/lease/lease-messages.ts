/** The words for a lease and its holder in messages. */
import { LockstepError } from "@lockstep/errors";
import { formatDuration } from "../duration.ts";
import { parseLease } from "./lease-holder.ts";

/** The holder that the content of a lease file names: `process 12 on host-a`. */
export function describeHolder(content: string): string {
  const lease = parseLease(content);
  if (lease === undefined) return "something else";
  return lease.token === undefined
    ? `process ${lease.pid}, of an earlier version of Lockstep`
    : `process ${lease.pid} on ${lease.host}`;
}

/** The error of a process that finds the lease of the folder `dir`, in the file `path`, held by another process. */
export function leaseBusyError(content: string, path: string, dir: string): LockstepError {
  const lease = parseLease(content)!;
  const holder = holderAsSubject(content);
  const text =
    lease.token === undefined
      ? `${holder} seems to be writing to ${dir}. Wait for it, or stop it; if no training runs, delete ${path}.`
      : `${holder} has been writing to ${dir} for ${formatDuration(Number(lease.heldMs) / 1000)}. Wait for it, or stop it.`;
  return new LockstepError("ERR_RUN_BUSY", text);
}

/** The holder as the subject at the beginning of a sentence. */
export function holderAsSubject(content: string): string {
  const holder = describeHolder(content);
  return `${holder[0]!.toUpperCase()}${holder.slice(1)}${holder.includes(",") ? "," : ""}`;
}
