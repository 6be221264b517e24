/** `pnpm export`: the weights of a run, for other programs. */
import { join } from "node:path";
import { openRunFolder, parseRunFile, readWeights, writePth, writeSafetensors } from "@lockstep/run";

export interface ExportOptions {
  run: string;
  to: "pth" | "safetensors" | "tfjs";
  out?: string;
}

export async function exportRun({ run: dir, to, out }: ExportOptions): Promise<void> {
  const { folder, config } = openRunFolder(dir);
  const run = parseRunFile(config, folder.config);
  const { modelName, numClasses, inputShape } = run.derived;
  const path = out ?? join(dir, "export", to === "tfjs" ? "tfjs" : `${modelName}.${to}`);
  if (to === "tfjs") {
    const { loadModel, stateDictNames, tfjsTopologyOf } = await import("@lockstep/model");
    const { writeTfjsModel } = await import("@lockstep/model/files");
    const [height, width, inputChannels] = inputShape;
    const { model, spec } = await loadModel(run.model, { numClasses, inputChannels, imageSize: [height, width] });
    const topology = tfjsTopologyOf(model, stateDictNames(model, spec));
    await writeTfjsModel(path, topology, readWeights(folder, modelName));
    console.log(`${join(path, "model.json")}: load it with tf.loadLayersModel`);
    return;
  }
  const tensors = [...readWeights(folder, modelName)].map(([name, { shape, data }]) => ({ name, shape, data }));
  if (to === "pth") {
    await writePth(path, tensors);
    console.log(`${path}: load it with model.load_state_dict(torch.load("${path}", weights_only=True))`);
  } else {
    await writeSafetensors(path, tensors, { model: modelName });
    console.log(`${path}: load it with model.load_state_dict(safetensors.torch.load_file("${path}"))`);
  }
}
