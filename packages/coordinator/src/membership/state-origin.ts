/**
 * Decides which replicas must be equal to the bit. Replicas of one origin started from the same state and have applied
 * the same updates since, so on devices of one kind they stay equal. A replica that was copied from another kind of
 * device has an origin of its own, until a replica check has made all replicas equal again.
 */
import { deviceKey, type RunDevice } from "@lockstep/run";

/** Identifies the state that a replica started from. */
export type StateOrigin = symbol;

/** A replica on the device of the worker that holds it. */
export interface MemberReplica {
  readonly origin: StateOrigin;
  readonly session: { readonly hello: RunDevice };
}

/** The origin of the replicas that start a run together. */
export const INITIAL_ORIGIN: StateOrigin = Symbol("initial");

/** Returns an origin that no replica has yet. */
export function newOrigin(): StateOrigin {
  return Symbol("later");
}

/**
 * Returns whether two workers have the same kind of device, by their own descriptions, and so compute the same bits.
 */
export function haveSameDevice(a: Pick<MemberReplica, "session">, b: Pick<MemberReplica, "session">): boolean {
  return deviceKey(a.session.hello) === deviceKey(b.session.hello);
}

/** Returns whether the replicas of two workers must be equal to the bit. */
export function mustBeEqual(a: MemberReplica, b: MemberReplica): boolean {
  return a.origin === b.origin && haveSameDevice(a, b);
}
