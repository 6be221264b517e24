/** `pnpm train --describe`: the layers of a model. */
import type { RunConfig } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { describeModel, formatDescription, loadModel } from "@lockstep/model";

/** Prints the shape table: no data, no engine. */
export async function describeLayers({ model, numClasses, inputChannels }: RunConfig): Promise<void> {
  const { spec } = await loadModel(model, { numClasses, inputChannels });
  if (spec === undefined) {
    const text = `Expected a model spec for --describe, but ${model} returns a tf.LayersModel. Call its summary() to see the layers.`;
    throw new LockstepError("ERR_OPTION", text);
  }
  console.log(formatDescription(describeModel(spec)));
}
