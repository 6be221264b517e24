/** A team whose state arrives late, and a gate that the lateness can wait for. */
import { CountingTeam } from "./counting-team.ts";

/**
 * A counting team whose state after some updates comes late, or not at all. The state is always the one at the time of
 * the call.
 */
export class LateTeam extends CountingTeam {
  /** What delays the states, by number of updates. */
  readonly late = new Map<number, () => Promise<void>>();

  override captureState() {
    const late = this.late.get(this.updates);
    const { read } = super.captureState();
    return {
      read: async () => {
        await late?.();
        return read();
      },
    };
  }
}

/** Something that a test opens once. */
export class Gate {
  /** Resolves when the gate is opened. */
  readonly opened: Promise<void>;
  /** Opens the gate. */
  open: () => void = () => {};

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}
