/**
 * Which replicas must be equal to the bit. Replicas of one lineage were once given the same state and have made the same
 * updates since, so on devices that are alike they stay equal. A replica that comes from a device that rounds otherwise
 * is of another lineage, until a replica check has made all of them equal again.
 */
import { deviceKey, type RunDevice } from "@lockstep/run";

/** Identifies the replicas that were once given the same state. */
export type StateOrigin = symbol;

/** A replica on the device of the worker that holds it. */
export interface MemberReplica {
  readonly origin: StateOrigin;
  readonly session: { readonly hello: RunDevice };
}

/** The lineage of all who begin a run together. */
export const INITIAL_ORIGIN: StateOrigin = Symbol("initial");

/** A lineage that no replica has yet. */
export function newOrigin(): StateOrigin {
  return Symbol("later");
}

/** Whether two workers compute the same numbers to the bit, as far as they have told of their devices. */
export function haveSameDevice(a: Pick<MemberReplica, "session">, b: Pick<MemberReplica, "session">): boolean {
  return deviceKey(a.session.hello) === deviceKey(b.session.hello);
}

/** Whether the replicas of two workers must be equal to the bit. */
export function mustBeEqual(a: MemberReplica, b: MemberReplica): boolean {
  return a.origin === b.origin && haveSameDevice(a, b);
}
