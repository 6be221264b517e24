/** Makes the topology that `model.save` writes: everything about a model but the numbers. */
import { tf } from "@lockstep/engine";
import type { TfjsTopology } from "@lockstep/formats";
import { layersOf } from "../layers/layers.ts";
import { renameDuplicates } from "../layers/rename-duplicates.ts";
import { assertAllTrainable } from "../weights/state-dict.ts";
import type { StateDictName } from "../weights/state-tensors.ts";

/**
 * What `writeTfjsModel` needs besides the weights. No weight is read, so nothing comes back from the device. Each weight
 * has a name of its own: see `renameDuplicates`.
 *
 * @param names of each of `model.trainableWeights`, from `stateDictNames`
 * @throws LockstepError ERR_MODEL_REFUSED for a model with weights that aren't trained
 */
export function tfjsTopologyOf(model: tf.LayersModel, names: readonly StateDictName[]): TfjsTopology {
  assertAllTrainable(model);
  // By way of text, because layers leave undefined fields in their configurations, which JSON has not.
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
    weights: model.trainableWeights.map(({ shape }, index) => {
      const { name, axes } = names[index]!;
      return {
        name: weightNames[index]!,
        shape: shape as number[],
        dtype: "float32",
        stateDictName: name,
        ...(axes && { axes: [...axes] }),
      };
    }),
  };
}

/** "fc/kernel", with the new name of its layer if it has one. */
function weightName(originalName: string, layer: string, newName = layer): string {
  return originalName.startsWith(`${layer}/`) ? newName + originalName.slice(layer.length) : originalName;
}
