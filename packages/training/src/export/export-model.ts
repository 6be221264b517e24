/** Exports the model of a run for other programs. Each file is loaded back and compared with the model. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { pathKind, writeFileAtomically } from "@lockstep/files";
import {
  programOf,
  readOnnx,
  readPth,
  type Weights,
  writePth,
  writeSafetensors,
  writeTfjsModel,
} from "@lockstep/formats";
import { encodeOnnxModel, layersInTfOrder, onnxGraphOf, runOnnx, tfjsTopologyOf } from "@lockstep/model";
import { openRunFolder, readWeightsFile } from "@lockstep/run";
import type { Replica } from "../replica.ts";
import { parameterValues } from "../state.ts";
import { assertCanExport, outputFile } from "./output-file.ts";
import { loadTrainedModel, type TrainedModel } from "./trained-model.ts";
import { assertSamePredictions, type Exported, type Predict, tfjsExport } from "./verify-export.ts";

type ModelFormat = "pth" | "safetensors" | "tfjs" | "onnx";

/** A file format: how to write a model, and how to read it as its users do. */
interface Format {
  /** Writes the model beside `path` and moves it there once `check` of the written file has resolved. */
  write(path: string, trained: TrainedModel, check: (written: string) => Promise<void>): Promise<void>;
  /** Describes the exported file and loads it from its temporary path. */
  exported(path: string, written: string, trained: TrainedModel): Exported;
  /** Returns instructions for the file at `path`. */
  usage(path: string, trained: TrainedModel): string;
}

/**
 * Exports the model to `out`, or into the run's folder. It uses no GPU: a CPU is enough for a few images.
 *
 * @returns instructions for the exported file
 * @throws LockstepError ERR_EXPORT if the file does not predict what the model does, or an error of loading or writing;
 *   an earlier file at the path is then unchanged
 */
export async function exportModel(dir: string, to: ModelFormat, out: string | undefined): Promise<string> {
  openRunFolder(dir); // both paths are checked before the engine starts, since its library may be a long download
  if (to === "tfjs" && out !== undefined) assertNoFile(out);
  assertCanExport(outputFile(out, dir, "model"));
  const trained = await loadTrainedModel(dir, { gpu: false });
  const { replica, run } = trained;
  const { modelName, inputShape } = run.derived;
  const path = to === "tfjs" ? (out ?? join(dir, "export", to)) : outputFile(out, dir, `${modelName}.${to}`);
  const format = FORMATS[to];
  const predict: Predict = (images) => replica.predict(images);
  try {
    await format.write(path, trained, (written) =>
      assertSamePredictions(predict, inputShape, format.exported(path, written, trained)),
    );
    return format.usage(path, trained);
  } finally {
    replica.dispose();
  }
}

/** Checks that `out` is not a file: an export for TensorFlow.js is a folder. */
function assertNoFile(out: string): void {
  if (pathKind(out) !== "file") return;
  const text = `Expected --out to be a folder for model.json and weights.bin, but ${out} is a file. Choose another path.`;
  throw new LockstepError("ERR_NOT_WRITABLE", text);
}

const FORMATS: Record<ModelFormat, Format> = {
  pth: {
    write: (path, { weights }, check) => writePth(path, tensorsOf(weights), check),
    exported: (path, written, trained) => ({
      format: ".pth file",
      path,
      load: () => predictAsPyTorch(readPth(written), trained),
      remedy: "use --to tfjs, which supports every model",
    }),
    usage: (path, trained) =>
      `${path}: load it with model.load_state_dict(torch.load("${path}", weights_only=True))${notesForPyTorch(trained)}`,
  },
  safetensors: {
    write: (path, { weights, run }, check) =>
      writeSafetensors(path, tensorsOf(weights), { model: run.derived.modelName }, check),
    exported: (path, written, trained) => ({
      format: ".safetensors file",
      path,
      load: () => predictAsPyTorch(readWeightsFile(written), trained),
      remedy: "use --to tfjs, which supports every model",
    }),
    usage: (path, trained) =>
      `${path}: load it with model.load_state_dict(safetensors.torch.load_file("${path}"))${notesForPyTorch(trained)}`,
  },
  tfjs: {
    write: (path, { replica, names, weights }, check) =>
      writeTfjsModel(path, tfjsTopologyOf(replica.model, names), weights, check),
    exported: tfjsExport,
    usage: (path) => `${join(path, "model.json")}: load it with tf.loadLayersModel`,
  },
  onnx: {
    async write(path, { replica, names, weights, run }, check) {
      const { classes, mean, std } = run.derived;
      const metadata = Object.entries({ classes, mean, std }).map(([key, value]) => [key, JSON.stringify(value)]);
      const facts = {
        producerVersion: version,
        input: "(byte / 255 - mean) / std of each channel; mean and std are in the metadata",
        output: "before softmax; the classes' names are in the metadata",
        metadata: Object.fromEntries(metadata),
      };
      await writeFileAtomically(path, encodeOnnxModel(onnxGraphOf(replica.model, names), weights, facts), check);
    },
    exported: (path, written) => ({
      format: "ONNX file",
      path,
      load: () => {
        const program = readOnnx(readFileSync(written));
        return (images) => runOnnx(program, images);
      },
      remedy: "use --to tfjs, which supports every model",
    }),
    usage(path, { run }) {
      const { inputShape, classes } = run.derived;
      const [height, width, channels] = inputShape;
      return `${path}: from "images" [batch, ${channels}, ${height}, ${width}] to "logits" [batch, ${classes.length}]; mean, std and classes are in its metadata`;
    },
  },
};

/**
 * Predicts with weights from a file as PyTorch does: in its layouts, with channels first. A net that ONNX cannot
 * express loads them in TensorFlow.js's layouts instead, which only verifies that the file is complete.
 */
function predictAsPyTorch(weights: Weights, { replica, names }: TrainedModel): Predict {
  const graph = counterpartOf(replica, names);
  if (graph === undefined) {
    replica.load(parameterValues(replica.model, names, weights));
    return (images) => replica.predict(images);
  }
  const program = programOf(graph, weights);
  return (images) => runOnnx(program, images);
}

/** Returns the graph of a net in PyTorch's layouts, or undefined if it has layers that ONNX cannot express. */
function counterpartOf({ model }: Replica, names: TrainedModel["names"]) {
  try {
    return onnxGraphOf(model, names);
  } catch (error) {
    if (!(error instanceof LockstepError && error.code === "ERR_ONNX_LAYER")) throw error;
    return undefined;
  }
}

const LAYOUT_NOT_VERIFIED =
  "layout not verified: the file is complete, but only a net that can be exported to ONNX is verified in PyTorch's " +
  "layouts; compare a few predictions in PyTorch with those of pnpm predict";

/** Returns notes for porting the model to PyTorch. */
function notesForPyTorch({ replica, names }: TrainedModel): string {
  const onLayout = counterpartOf(replica, names) === undefined ? [LAYOUT_NOT_VERIFIED] : [];
  const notes = [...onLayout, ...noteOnOrder(layersInTfOrder(replica.model))];
  return notes.map((note) => `\nnote: ${note}`).join("");
}

function noteOnOrder(layers: readonly string[]): string[] {
  if (layers.length === 0) return [];
  const [verb, them] = layers.length === 1 ? ["expects", "it"] : ["expect", "them"];
  return [
    `${layers.join(", ")} ${verb} the elements of an image in TensorFlow.js's order: in PyTorch, apply ` +
      `x.permute(0, 2, 3, 1) before x is flattened or reshaped for ${them}`,
  ];
}

function tensorsOf(weights: Weights) {
  return [...weights].map(([name, { shape, data }]) => ({ name, shape, data }));
}
