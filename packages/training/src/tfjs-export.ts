/** A model in TensorFlow.js' own format, for `tf.loadLayersModel` in a browser or on Node. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tf } from "@lockstep/engine";

/** Writes `model.json` and `weights.bin` into `dir`, which is made if it isn't there. */
export async function writeTfjsModel(model: tf.LayersModel, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const save = async (artifacts: tf.io.ModelArtifacts): Promise<tf.io.SaveResult> => {
    const { modelTopology, format, generatedBy, convertedBy, weightSpecs, weightData } = artifacts;
    const manifest = [{ paths: ["weights.bin"], weights: weightSpecs }];
    const description = { modelTopology, format, generatedBy, convertedBy, weightsManifest: manifest };
    await writeFile(
      join(dir, "weights.bin"),
      [weightData].flat().map((part) => new Uint8Array(part as ArrayBuffer)),
    );
    await writeFile(join(dir, "model.json"), JSON.stringify(description));
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  };
  await model.save(tf.io.withSaveHandler(save));
}
