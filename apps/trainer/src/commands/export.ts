/** `pnpm export`: the model of a run, for other programs; or where its time went. */
import { join } from "node:path";
import {
  openRunFolder,
  parseRunFile,
  type RunFile,
  type RunFolder,
  readWeights,
  type Weights,
  writeFileAtomically,
  writePth,
  writeSafetensors,
  writeTrace,
} from "@lockstep/run";
import { version } from "../version.ts";

type ModelFormat = "pth" | "safetensors" | "tfjs" | "onnx";

export interface ExportOptions {
  run: string;
  to: ModelFormat | "trace";
  out?: string;
}

export async function exportRun({ run: dir, to, out }: ExportOptions): Promise<void> {
  const { folder, config } = openRunFolder(dir);
  if (to === "trace") return exportTrace(out ?? join(dir, "export", "trace.json"), folder);
  const run = parseRunFile(config, folder.config);
  const { modelName } = run.derived;
  const path = out ?? join(dir, "export", to === "tfjs" ? "tfjs" : `${modelName}.${to}`);
  console.log(await WRITERS[to](path, run, readWeights(folder, modelName)));
}

function exportTrace(path: string, folder: RunFolder): void {
  writeTrace(path, folder);
  console.log(`${path}: open it at https://ui.perfetto.dev`);
}

/** Writes what is asked for, and says how to use it. */
type Write = (path: string, run: RunFile, weights: Weights) => Promise<string>;

const WRITERS: Record<ModelFormat, Write> = {
  async pth(path, _run, weights) {
    await writePth(path, tensorsOf(weights));
    return `${path}: load it with model.load_state_dict(torch.load("${path}", weights_only=True))`;
  },
  async safetensors(path, run, weights) {
    await writeSafetensors(path, tensorsOf(weights), { model: run.derived.modelName });
    return `${path}: load it with model.load_state_dict(safetensors.torch.load_file("${path}"))`;
  },
  async tfjs(path, run, weights) {
    const { loadModelOf } = await import("../trained-model.ts");
    const { tfjsTopologyOf } = await import("@lockstep/model");
    const { writeTfjsModel } = await import("@lockstep/model/files");
    const { model, names } = await loadModelOf(run);
    await writeTfjsModel(path, tfjsTopologyOf(model, names), weights);
    return `${join(path, "model.json")}: load it with tf.loadLayersModel`;
  },
  async onnx(path, run, weights) {
    const { loadModelOf } = await import("../trained-model.ts");
    const { encodeOnnx, onnxGraphOf } = await import("@lockstep/model");
    const { model, names } = await loadModelOf(run);
    const { classes, mean, std } = run.derived;
    const metadata = { classes, mean, std };
    const facts = {
      producerVersion: version,
      input: "(byte / 255 - mean) / std of each channel; mean and std are in the metadata",
      output: "before softmax; the classes' names are in the metadata",
      metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, JSON.stringify(value)])),
    };
    await writeFileAtomically(path, encodeOnnx(onnxGraphOf(model, names), weights, facts));
    const [height, width, channels] = run.derived.inputShape;
    return `${path}: from "images" [batch, ${channels}, ${height}, ${width}] to "logits" [batch, ${classes.length}]; mean, std and classes are in its metadata`;
  },
};

function tensorsOf(weights: Weights) {
  return [...weights].map(([name, { shape, data }]) => ({ name, shape, data }));
}
