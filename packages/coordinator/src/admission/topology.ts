/** Parses the topology of a worker's model. */
import { LockstepError } from "@lockstep/errors";
import { type TfjsTopology, tfjsTopologySchema } from "@lockstep/formats";

/**
 * Parses the JSON of a TensorFlow.js topology.
 *
 * @throws LockstepError ERR_TOPOLOGY for anything else
 */
export function parseTopology(text: string): TfjsTopology {
  try {
    return tfjsTopologySchema.parse(JSON.parse(text));
  } catch (cause) {
    const remedy = "use the same version of Lockstep on all machines";
    throw new LockstepError(
      "ERR_TOPOLOGY",
      `Expected the topology of a TensorFlow.js model, got other data; ${remedy}.`,
      { cause },
    );
  }
}
