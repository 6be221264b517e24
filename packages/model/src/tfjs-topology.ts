/** What `model.save` writes about a model, except for the numbers. */
import { tf } from "@lockstep/engine";
import { expectAllTrained, type StateDictName } from "./state-dict.ts";
import type { TfjsTopology } from "./tfjs-files.ts";

/**
 * What `writeTfjsModel` needs besides the weights. No weight is read, so nothing comes back from the device.
 *
 * @param names of each of `model.trainableWeights`, from `stateDictNames`
 * @throws LockstepError ERR_MODEL_REFUSED for a model with weights that aren't trained
 */
export function tfjsTopologyOf(model: tf.LayersModel, names: readonly StateDictName[]): TfjsTopology {
  expectAllTrained(model);
  return {
    // By way of text, because layers leave undefined fields in their configurations, which JSON has not.
    modelTopology: JSON.parse(JSON.stringify(model.toJSON(null, false))),
    format: "layers-model",
    generatedBy: `TensorFlow.js tfjs-layers v${tf.version_layers}`,
    convertedBy: null,
    weights: model.trainableWeights.map(({ originalName, shape }, index) => {
      const { name, axes } = names[index]!;
      return {
        name: originalName,
        shape: shape as number[],
        dtype: "float32",
        stateDictName: name,
        ...(axes && { axes: [...axes] }),
      };
    }),
  };
}
