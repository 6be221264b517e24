/** Claims a GPU for a process: its own while there are enough of them. */
import { at } from "@lockstep/errors";
import { tryLock } from "./lock.ts";

/** A process's claim on a GPU, which may be shared. */
export interface Claim<Card> {
  card: Card;
  /** True if another process has claimed the GPU too. */
  isShared: boolean;
  /** Releases the claim. The end of the process does so too. */
  release: () => void;
}

/**
 * Claims the first GPU that no other process on this machine has claimed, or shares the first if all are claimed.
 * Claims are advisory, among processes of Lockstep: nothing keeps other programs off the GPU.
 *
 * @param cards the GPUs, at least one
 * @param keyOf returns the name of a GPU, which is the same in all processes
 */
export async function claimGpu<Card>(cards: readonly Card[], keyOf: (card: Card) => string): Promise<Claim<Card>> {
  for (const card of cards) {
    const release = await tryLock(`gpu ${keyOf(card)}`);
    if (release !== undefined) return { card, isShared: false, release };
  }
  return { card: at(cards, 0), isShared: true, release: () => {} };
}

/** Returns the log line for a shared GPU. */
export const sharedLine = (name: string) => `GPU ${name} is shared: another process uses it too`;
