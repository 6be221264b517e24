/** `pnpm train --describe`: the layers of a model. */
import type { RunConfig } from "@lockstep/config";
import { describeLayersModel, describeModel, formatDescription, loadModel } from "@lockstep/model";

/** Prints the shape table: no data, no engine. */
export async function describeLayers({ model: path, numClasses, inputChannels }: RunConfig): Promise<void> {
  const { spec, model, name, inputShape } = await loadModel(path, { numClasses, inputChannels });
  const description = spec === undefined ? describeLayersModel(model, name, inputShape) : describeModel(spec);
  console.log(formatDescription(description));
}
