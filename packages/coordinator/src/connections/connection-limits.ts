/** How long a worker may be silent, read nothing, or take to join, before its connection ends. */
import { LockstepError } from "@lockstep/errors";
import { MAX_SILENT_HEARTBEATS } from "@lockstep/gradient-sync";

/** How long a worker that has not joined may be silent: it is starting its engine. */
const HANDSHAKE_SILENT_MS = 10_000;
/** How long it may take from the WebSocket to `ready`: the engine may have to be built first, and the model be large. */
const JOIN_MS = 600_000;

/** The times of a connection, in ms. */
export interface ConnectionTimes {
  /** Since the network last took something of what waits for the worker. */
  unreadMs: number;
  /** Since anything last came from it. */
  silentMs: number;
  /** Since it connected; undefined once it has joined: then the team watches its silence. */
  joiningMs: number | undefined;
}

/** The limits that the user sets, in ms. */
export interface ConnectionLimits {
  heartbeatMs: number;
  /** How long a worker may take nothing of what it is sent. */
  stallMs: number;
}

/** Returns the reason to end a connection, if one of its times is over. */
export function overdue(
  { unreadMs, silentMs, joiningMs }: ConnectionTimes,
  { heartbeatMs, stallMs }: ConnectionLimits,
): LockstepError | undefined {
  if (unreadMs > stallMs) {
    const seconds = Math.round(unreadMs / 1000);
    const text = `This worker read nothing of what the coordinator sent for ${seconds} s.`;
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
