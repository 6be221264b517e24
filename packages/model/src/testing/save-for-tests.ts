/** Saves models to files, for tests. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";

/** Writes model.json and weights.bin into a folder, as TensorFlow.js does. */
export async function saveModel(model: tf.LayersModel, folder: string): Promise<void> {
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
      const weightsManifest = [{ paths: ["weights.bin"], weights: defined(weightSpecs) }];
      await writeFile(join(folder, "model.json"), JSON.stringify({ modelTopology, weightsManifest }));
      await writeFile(join(folder, "weights.bin"), new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData)));
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" } };
    }),
  );
}
