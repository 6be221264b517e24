/** For tests: a step round with plain numbers as ids of workers and subtrees. */
import { toSubtreeId, toWorkerId } from "../protocol/ids.ts";
import type { Outgoing } from "../reduction/outgoing.ts";
import { StepRound } from "../reduction/step-round.ts";

/** A `StepRound` that accepts plain numbers as ids. */
export class PlainRound extends StepRound {
  override assign(worker: number, subtrees: readonly number[]): Outgoing {
    return super.assign(toWorkerId(worker), subtrees.map(toSubtreeId));
  }

  override onChunk(worker: number, chunk: Parameters<StepRound["onChunk"]>[1]): Outgoing[] {
    return super.onChunk(toWorkerId(worker), chunk);
  }

  override onContribution(worker: number, message: Parameters<StepRound["onContribution"]>[1]): Outgoing[] {
    return super.onContribution(toWorkerId(worker), message);
  }

  override removeWorker(worker: number): Outgoing[] {
    return super.removeWorker(toWorkerId(worker));
  }

  override mustResend(worker: number): boolean {
    return super.mustResend(toWorkerId(worker));
  }
}
