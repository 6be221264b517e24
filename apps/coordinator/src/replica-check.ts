/** What unequal digests of replicas mean. */
import { deviceKey } from "@lockstep/run";
import type { Member } from "./members.ts";

export interface ReplicaDigest {
  member: Member;
  digest: string;
}

export interface Verdict {
  /** Whose state is taken for the right one. */
  reference: Member | undefined;
  /** Those whose devices are like another's with other weights: something is broken there. */
  wrong: Member[];
  /** Those on other devices than the reference, with other weights: they round otherwise. */
  drifted: Member[];
}

/** Among like devices the majority is right; in a tie, those who joined first. The largest such group is the reference. */
export function culprits(replicas: readonly ReplicaDigest[]): Verdict {
  const groups = [...groupBy(replicas, ({ member }) => deviceKey(member.session.hello)).values()].map((group) => {
    const byDigest = [...groupBy(group, ({ digest }) => digest).values()];
    const right = largest(byDigest);
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

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

const largest = <Item>(groups: Item[][]): Item[] =>
  groups.reduce((best, group) => (group.length > best.length ? group : best), []);
