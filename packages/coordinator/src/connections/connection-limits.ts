/** Limits on how long a worker may be silent, read nothing, or take to join before its connection is closed. */
import { LockstepError } from "@lockstep/errors";
import { MAX_SILENT_HEARTBEATS } from "@lockstep/gradient-sync";

/** Silence allowed to a worker that has not joined: it may be starting its engine. */
const HANDSHAKE_SILENT_MS = 10_000;
/**
 * Time allowed from the WebSocket's opening to `ready`: the engine may have to be built, and the model may be large.
 */
const JOIN_MS = 600_000;

/** The ages of a connection's last events, in milliseconds. */
export interface ConnectionTimes {
  /** Since the network last accepted queued bytes for the worker; 0 if none are queued. */
  unreadMs: number;
  /** Since bytes last arrived from it. */
  silentMs: number;
  /** Since it connected; undefined once it has joined, because the team watches the silence of members. */
  joiningMs: number | undefined;
}

/** The limits that the user sets, in milliseconds. */
export interface ConnectionLimits {
  heartbeatMs: number;
  /** Time that a worker may read nothing of what it is sent. */
  stallMs: number;
}

/** Returns the reason to close a connection that exceeds a limit; undefined if it exceeds none. */
export function overdue(
  { unreadMs, silentMs, joiningMs }: ConnectionTimes,
  { heartbeatMs, stallMs }: ConnectionLimits,
): LockstepError | undefined {
  if (unreadMs > stallMs) {
    const seconds = Math.round(unreadMs / 1000);
    const text = `This worker has read nothing that the coordinator sent for ${seconds} s.`;
    return new LockstepError("ERR_SLOW_READER", text);
  }
  if (joiningMs === undefined) return undefined;
  if (silentMs > Math.max(HANDSHAKE_SILENT_MS, MAX_SILENT_HEARTBEATS * heartbeatMs)) {
    const text = `The coordinator received nothing from this worker for ${Math.round(silentMs / 1000)} s.`;
    return new LockstepError("ERR_SILENT", text);
  }
  if (joiningMs > JOIN_MS) {
    const text = `Expected this worker to have its engine and its model ready within ${JOIN_MS / 1000} s`;
    return new LockstepError("ERR_HANDSHAKE", `${text}; start it again.`);
  }
  return undefined;
}
