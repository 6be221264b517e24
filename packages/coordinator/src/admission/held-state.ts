/** What a worker that returns still holds of the run. */
import { LockstepError } from "@lockstep/errors";
import type { Hello } from "../connections/ready-session.ts";

type HeldState = NonNullable<Hello["holds"]>;

/**
 * Returns what a worker holds if the run has made those updates, or undefined: a run that went on from its checkpoint
 * has undone the ones after it.
 *
 * @param updates committed by the run as it is now
 * @param most committed at any time
 * @throws LockstepError ERR_HOLDS for more updates than were ever made
 */
export function validHeldState(
  held: HeldState,
  { updates, most }: { updates: number; most: number },
): HeldState | undefined {
  if (held.step > most) {
    const text = `It holds weights after ${held.step} updates, but this run has made only ${most}.`;
    throw new LockstepError("ERR_HOLDS", text);
  }
  return held.step > updates ? undefined : held;
}
