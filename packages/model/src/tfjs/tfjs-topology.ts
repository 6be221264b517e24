/** Makes the topology that `model.save` writes: the whole model except for the weights' values. */

import { tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import type { TfjsTopology } from "@lockstep/formats";
import { layersOf } from "../layers/layers.ts";
import { renameDuplicates } from "../layers/rename-duplicates.ts";
import { assertAllTrainable } from "../weights/state-dict.ts";
import type { StateDictName } from "../weights/state-tensors.ts";
import { weightShape } from "../weights/weight-shape.ts";

/**
 * Returns the topology that `writeTfjsModel` needs besides the weights. Reads no weights, so nothing is copied from the
 * device. Each weight gets a unique name: see `renameDuplicates`.
 *
 * @param names the name of each of `model.trainableWeights`, from `stateDictNames`
 * @throws LockstepError ERR_MODEL_REFUSED for a model with weights that are not trained
 */
export function tfjsTopologyOf(model: tf.LayersModel, names: readonly StateDictName[]): TfjsTopology {
  assertAllTrainable(model);
  // The conversion to text and back removes undefined fields in layer configurations, which JSON does not have.
  const modelTopology = JSON.parse(JSON.stringify(model.toJSON(null, false)));
  const newNames = renameDuplicates(model, modelTopology.config);
  const weightNames = layersOf(model).flatMap((layer) =>
    layer.trainableWeights.map(({ originalName }) => weightName(originalName, layer.name, newNames.get(layer))),
  );
  return {
    modelTopology,
    format: "layers-model",
    generatedBy: `TensorFlow.js tfjs-layers v${tf.version_layers}`,
    convertedBy: null,
    weights: model.trainableWeights.map((weight, index) => {
      const { name, axes } = at(names, index);
      return {
        name: at(weightNames, index),
        shape: weightShape(weight),
        dtype: "float32",
        stateDictName: name,
        ...(axes && { axes: [...axes] }),
      };
    }),
  };
}

/** Returns a weight's name, such as "fc/kernel", with its layer's new name. */
function weightName(originalName: string, layer: string, newName = layer): string {
  return originalName.startsWith(`${layer}/`) ? newName + originalName.slice(layer.length) : originalName;
}
