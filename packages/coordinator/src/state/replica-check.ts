/** Judges replicas by their digests. */
import { deviceKey } from "@lockstep/run";
import type { Member } from "../membership/members.ts";

/** A member and the digest of its weights and momentum. */
export interface ReplicaDigest {
  member: Member;
  digest: string;
}

/** The replicas that are right, wrong, or merely rounded differently. */
export interface Verdict {
  /** The member whose state counts as right; undefined if there are no replicas. */
  reference: Member | undefined;
  /** Members whose weights must equal another member's to the bit and do not: their machines are faulty. */
  wrong: Member[];
  /** Members whose weights differ from the reference's because their devices round differently. */
  drifted: Member[];
}

/**
 * Judges replicas. Among those that must be equal, the majority is right; in a tie, those that joined first. The
 * largest group of right replicas provides the reference.
 */
export function judgeReplicas(replicas: readonly ReplicaDigest[]): Verdict {
  const groups = groupBy(replicas, ({ member }) => deviceKey(member.session.hello))
    .flatMap((alike) => groupBy(alike, ({ member }) => member.origin))
    .map((group) => {
      const right = largest(groupBy(group, ({ digest }) => digest));
      return { right, wrong: group.filter((replica) => !right.includes(replica)) };
    });
  const reference = largest(groups.map(({ right }) => right))[0];
  const drifted = groups.flatMap(({ right }) => right.filter(({ digest }) => digest !== reference?.digest));
  return {
    reference: reference?.member,
    wrong: groups.flatMap(({ wrong }) => wrong.map(({ member }) => member)),
    drifted: drifted.map(({ member }) => member),
  };
}

/** Groups items by key, in the order of each group's first item. */
function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => unknown): Item[][] {
  const groups = new Map<unknown, Item[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}

const largest = <Item>(groups: Item[][]): Item[] =>
  groups.reduce((best, group) => (group.length > best.length ? group : best), []);
