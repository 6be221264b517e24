/** The messages at the server's end of the reduction. */
import type { WorkerId } from "../protocol/ids.ts";
import type { CoordinatorMessage, MessageOf } from "../protocol/messages.ts";

/** A chunk of an attempt's gradients, still encoded. */
export type Chunk = MessageOf<"gradient-chunk">;

/** The message that ends an attempt. */
export type Contribution = MessageOf<"contribution">;

/** The message that starts a step on a worker and assigns its subtrees. */
export type Assign = MessageOf<"assign">;

/** The task of a step: update number `step`, on samples [start, end) of the epoch's order. */
export type RoundTask = Pick<Assign, "epoch" | "step" | "start" | "end" | "learningRate">;

/** A message to one worker, to all workers, or to all except its sender. */
export interface Outgoing {
  to: WorkerId | "all";
  except?: WorkerId;
  message: CoordinatorMessage;
}
