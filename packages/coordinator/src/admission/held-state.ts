/** Validates the state that a reconnecting worker still holds. */
import { LockstepError } from "@lockstep/errors";
import type { Hello } from "../connections/ready-session.ts";

type HeldState = NonNullable<Hello["holds"]>;

/**
 * Returns the state that a worker holds, or undefined if the run has undone its updates by resuming from a checkpoint.
 *
 * @param updates number of updates that are committed now
 * @param most largest number of updates ever committed
 * @throws LockstepError ERR_HOLDS for more updates than were ever committed
 */
export function validHeldState(
  held: HeldState,
  { updates, most }: { updates: number; most: number },
): HeldState | undefined {
  if (held.step > most) {
    const text = `This worker holds weights after ${held.step} updates, but the run has made only ${most}.`;
    throw new LockstepError("ERR_HOLDS", text);
  }
  return held.step > updates ? undefined : held;
}
