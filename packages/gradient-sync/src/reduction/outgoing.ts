/** What the server of a reduction takes in, and what it sends to whom. */
import type { WorkerId } from "../protocol/ids.ts";
import type { CoordinatorMessage, MessageOf } from "../protocol/messages.ts";

/** A piece of an attempt's gradients, as it comes off the wire. */
export type Chunk = MessageOf<"gradient-chunk">;

/** The message that ends an attempt. */
export type Contribution = MessageOf<"contribution">;

/** The message that tells a worker of a step, and of its slices. */
export type Assign = MessageOf<"assign">;

/** The update that a round is for: number `step`, on samples [start, end) of the epoch's order. */
export type RoundTask = Pick<Assign, "epoch" | "step" | "start" | "end" | "learningRate">;

/** A message for one worker, for all, or for all but the one that it came from. */
export interface Outgoing {
  to: WorkerId | "all";
  except?: WorkerId;
  message: CoordinatorMessage;
}
