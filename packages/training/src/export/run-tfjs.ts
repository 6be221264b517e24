/** Writes the tfjs/ folder of a finished run. */
import { rmSync } from "node:fs";
import type { tf } from "@lockstep/engine";
import { at, LockstepError } from "@lockstep/errors";
import { writeTfjsModel } from "@lockstep/formats";
import { type StateDictName, tfjsTopologyOf } from "@lockstep/model";
import { type RunFolder, readWeights } from "@lockstep/run";
import type { Replica } from "../replica.ts";
import { assertSamePredictions, tfjsExport } from "./verify-export.ts";

/**
 * Writes the model for TensorFlow.js into the run's folder, unless its verification fails. The run's weights are in its
 * .safetensors file in any case.
 *
 * @returns the reason if it was not written, else undefined
 */
export async function writeRunTfjs(
  folder: RunFolder,
  { replica, modelName, names }: { replica: Replica; modelName: string; names: readonly StateDictName[] },
): Promise<string | undefined> {
  const { tfjs } = folder;
  const { model } = replica;
  const [, ...inputShape] = at(model.inputs, 0).shape as [null, number, number, number];
  const predict = (images: tf.Tensor4D) => replica.predict(images);
  try {
    await writeTfjsModel(tfjs, tfjsTopologyOf(model, names), readWeights(folder, modelName), (written) =>
      assertSamePredictions(predict, inputShape, tfjsExport(tfjs, written)),
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof LockstepError && error.code === "ERR_EXPORT")) throw error;
    rmSync(tfjs, { recursive: true, force: true });
    return `${error.code}: ${error.message}`;
  }
}
