/** Detects the format of a file that was expected to be .safetensors, from its first bytes. */

import { excerpt } from "@lockstep/errors";

/** A file format that the first bytes reveal. */
export interface FileFormat {
  /** "a .pth file of PyTorch" */
  name: string;
  /** A sentence that tells the user what to do. */
  remedy: string;
}

/** Number of leading bytes that `detectFormat` needs. */
export const HEAD_BYTES = 1024;

const CONVERT =
  `Convert it with PyTorch: python3 -c 'import torch, safetensors.torch as s; ` +
  `s.save_file(torch.load("in.pth", weights_only=True), "out.safetensors")'`;
const UNPACK = "Unpack it, and give the path of the .safetensors file in it.";
const SAVE_AGAIN = "Save the weights in Python with safetensors.torch.save_file.";
const CHAPTER = 'docs/models.md, "With weights of its own"';
const LOAD = `Train with a --model module that loads it with tf.loadLayersModel (${CHAPTER}).`;
/** Keras and TensorFlow.js share their weight layouts, which differ from those of a .safetensors file. */
const SET_WEIGHTS =
  `Write its weights as JSON: python3 -c 'import json, keras; json.dump({layer.name: [w.tolist() for w in layer.get_weights()] ` +
  `for layer in keras.models.load_model("in.keras").layers}, open("weights.json", "w"))'; then train with a --model module ` +
  `of the same layers that gives them to each with setWeights (${CHAPTER}).`;

/** Formats by their leading bytes; the first match counts. */
const MAGIC: readonly [bytes: Buffer, kind: FileFormat][] = [
  [Buffer.of(0x1f, 0x8b), { name: "a gzip archive", remedy: UNPACK }],
  [Buffer.from("BZh"), { name: "a bzip2 archive", remedy: UNPACK }],
  [Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), { name: "an xz archive", remedy: UNPACK }],
  [Buffer.of(0x28, 0xb5, 0x2f, 0xfd), { name: "a zstd archive", remedy: UNPACK }],
  [Buffer.of(0x37, 0x7a, 0xbc, 0xaf), { name: "a 7z archive", remedy: UNPACK }],
  [Buffer.from("Rar!"), { name: "a rar archive", remedy: UNPACK }],
  [Buffer.from("\x89HDF", "latin1"), { name: "an HDF5 file, as Keras writes", remedy: SET_WEIGHTS }],
  [Buffer.from("\x93NUMPY", "latin1"), { name: "an .npy file of NumPy", remedy: SAVE_AGAIN }],
  [Buffer.from("GGUF"), { name: "a GGUF file", remedy: SAVE_AGAIN }],
  [
    Buffer.from("version https://git-lfs"),
    { name: "a Git LFS pointer, which stands for the file", remedy: "Fetch the file itself with git lfs pull." },
  ],
];

/**
 * Detects the format of a file that is no .safetensors file.
 *
 * @param head the first `HEAD_BYTES` bytes of the file, or all of it
 * @returns undefined if the format is unknown, or the file may be a damaged .safetensors file
 */
export function detectFormat(head: Buffer): FileFormat | undefined {
  if (head.length === 0) return { name: "an empty file", remedy: "Copy or download it again." };
  return MAGIC.find(([bytes]) => startsWith(head, bytes))?.[1] ?? detectArchive(head) ?? detectText(head);
}

/** Matches a .keras file: a zip archive with one of these as its first file. */
const KERAS = /^PK.{28}(metadata\.json|config\.json|model\.weights\.h5)/s;

const startsWith = (head: Buffer, bytes: Buffer) => head.subarray(0, bytes.length).equals(bytes);

/**
 * Returns whether a text has only printable characters and white space. Invalid UTF-8 has become
 * U+FFFD, which is neither.
 */
const isPlainText = (text: string) => !/[^\P{C}\p{Cf}\t\n\r]|\uFFFD/u.test(text.slice(0, -1));

function plainText(text: string): FileFormat {
  return {
    name: `text that begins with "${excerpt(text, 40)}"`,
    remedy: "Read it: it may explain why a download failed.",
  };
}

/** Detects archives, pickles and ONNX models, which need more than a few leading bytes. */
function detectArchive(head: Buffer): FileFormat | undefined {
  const text = head.toString("latin1");
  const [first = 0, second = 0, third = 0] = head;
  if (text.startsWith("PK\x03\x04") || text.startsWith("PK\x05\x06")) {
    if (/\/(data|constants)\.pkl/.test(text)) return { name: "a .pth file of PyTorch", remedy: CONVERT };
    if (KERAS.test(text)) return { name: "a .keras file of Keras", remedy: SET_WEIGHTS };
    if (text.includes(".npy")) return { name: "an .npz file of NumPy", remedy: SAVE_AGAIN };
    return { name: "a zip archive", remedy: UNPACK };
  }
  if (first === 0x80 && second >= 2 && second <= 5)
    return { name: "a pickle, as in an old .pth file of PyTorch", remedy: CONVERT };
  if (text.slice(257, 262) === "ustar") return { name: "a tar archive", remedy: UNPACK };
  // ModelProto: field 1, the version of the format; then field 2, the producer, or field 7, the graph.
  if (first === 0x08 && second >= 3 && second <= 20 && [0x12, 0x3a].includes(third))
    return { name: "an ONNX model", remedy: SAVE_AGAIN };
  return undefined;
}

function detectText(head: Buffer): FileFormat | undefined {
  const text = head
    .toString("utf8")
    .replace(/^\uFEFF/, "")
    .trimStart();
  if (/^<(!doctype html|html|head|body|!--)/i.test(text)) {
    const remedy =
      "Download the file itself: this is a page that a server shows instead, such as its page about the file.";
    return { name: "an HTML page", remedy };
  }
  if (text.startsWith("<?xml"))
    return { name: "an XML document", remedy: "Read it: it may explain why a download failed." };
  if (!/^[{[]/.test(text)) return isPlainText(text) ? plainText(text) : undefined;
  if (text.includes('"modelTopology"')) return { name: "the model.json of a TensorFlow.js model", remedy: LOAD };
  if (text.includes('"weight_map"')) {
    return {
      name: "JSON, perhaps the index of weights in several files",
      remedy: "Save them as one .safetensors file.",
    };
  }
  return { name: "JSON", remedy: "Give the path of the .safetensors file itself." };
}
