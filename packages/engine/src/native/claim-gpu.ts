/** Claims a GPU for a process: one of its own, as long as there are enough of them. */
import { tryLock } from "./lock.ts";

/** A GPU that a process has taken for itself, or shares. */
export interface Claim<Card> {
  card: Card;
  /** True if another process has claimed it before, and computes on it too. */
  isShared: boolean;
  /** Lets another process have it to itself. The end of this process does so as well. */
  release: () => void;
}

/**
 * The first of the GPUs that no other process on this machine has claimed; the first, if all are claimed. A claim is
 * advice among processes of Lockstep: nothing keeps others off the GPU.
 *
 * @param cards at least one
 * @param keyOf what it is called in all processes
 */
export async function claimGpu<Card>(cards: readonly Card[], keyOf: (card: Card) => string): Promise<Claim<Card>> {
  for (const card of cards) {
    const release = await tryLock(`gpu ${keyOf(card)}`);
    if (release !== undefined) return { card, isShared: false, release };
  }
  return { card: cards[0]!, isShared: true, release: () => {} };
}

/** Returns the line that says that the GPU is not this process's alone. */
export const sharedLine = (name: string) => `GPU ${name} is shared: another process has taken it already`;
