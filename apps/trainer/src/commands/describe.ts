/** `pnpm train --describe`: the layers of a model. */
import { modelSizes, type RunConfig } from "@lockstep/config";
import { datasetFacts } from "@lockstep/dataset";
import { describeLayersModel, describeModel, formatDescription, isKnownModel, loadModel } from "@lockstep/model";

/**
 * Prints the shape table: no data, no engine. A module is asked for the sizes of the data set, as in a training; a
 * built-in architecture has its own.
 */
export async function describeLayers(config: RunConfig): Promise<void> {
  const sizes = isKnownModel(config.model) ? config : modelSizes(config, datasetFacts(config.dataset));
  const { numClasses, inputChannels } = sizes;
  const { spec, model, name, inputShape } = await loadModel(config.model, { numClasses, inputChannels });
  const description = spec === undefined ? describeLayersModel(model, name, inputShape) : describeModel(spec);
  console.log(formatDescription(description));
}
