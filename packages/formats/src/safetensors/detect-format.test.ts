/** Checks the advice for weights of other formats, recognised by their first bytes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { temporaryFolder } from "@lockstep/testing";
import { expect, test } from "vitest";
import { writePth } from "../pth/pth.ts";
import { readSafetensors } from "./safetensors.ts";

const dir = temporaryFolder();

const tensors = [{ name: "w", shape: [1], data: Float32Array.of(1) }];
const latin1 = (text: string) => Buffer.from(text, "latin1");
const tar = Buffer.alloc(1024);
tar.write("a.safetensors");
tar.write("ustar", 257);

test.each<[kind: string, bytes: Buffer, remedy: string]>([
  ["an empty file", Buffer.alloc(0), "Copy or download it again."],
  ["a zip archive", latin1("PK\x03\x04\x14\0\0\0\0\0 a/model.safetensors"), "Unpack it"],
  ["a .pth file of PyTorch", latin1("PK\x03\x04\0\0\x08\x08\0\0 m/data.pkl"), "torch.load("],
  ["an .npz file of NumPy", latin1("PK\x03\x04\x14\0\0\0\0\0 conv1.npy"), "save_file"],
  ["a pickle, as in an old .pth file of PyTorch", latin1("\x80\x02\x8a\x0al\xfc\x9c"), "torch.load("],
  ["a gzip archive", gzipSync("weights"), "Unpack it"],
  ["a tar archive", tar, "Unpack it"],
  ["an HDF5 file, as Keras writes", latin1("\x89HDF\r\n\x1a\n\0\0"), "keras.models.load_model("],
  [
    "a .keras file of Keras",
    latin1(`PK\x03\x04\x14${"\0".repeat(25)}metadata.json{"keras_version": "3.5.0"`),
    "setWeights",
  ],
  ["a .keras file of Keras", latin1(`PK\x03\x04\x14${"\0".repeat(25)}config.json packed`), "keras.models.load_model("],
  ["an .npy file of NumPy", latin1("\x93NUMPY\x01\0v\0"), "save_file"],
  ["an ONNX model", latin1("\x08\x07\x12\x08lockstep"), "save_file"],
  [
    "a Git LFS pointer, which stands for the file",
    Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n"),
    "git lfs pull",
  ],
  ["an HTML page", Buffer.from("\uFEFF\n<!DOCTYPE html><html>"), "Download the file itself"],
  ["an HTML page", Buffer.from("<html lang=en>"), "Download the file itself"],
  ["an XML document", Buffer.from("<?xml version='1.0'?><Error>AccessDenied</Error>"), "Read it"],
  ['text that begins with "Invalid username or password."', Buffer.from("Invalid username or password."), "Read it"],
  ['text that begins with "Zugriff verweigert: ä"', Buffer.from("Zugriff verweigert: ä"), "Read it"],
  ["JSON", Buffer.from('{"error": "Not found"}'), "Give the path of the .safetensors file itself."],
  ["the model.json of a TensorFlow.js model", Buffer.from('{"modelTopology":{}}'), "tf.loadLayersModel"],
])("weights that are %s are called so, with what to do", (kind, bytes, remedy) => {
  const path = join(dir, "other.safetensors");
  writeFileSync(path, bytes);
  const message = expect.stringMatching(/^.*other\.safetensors: expected a \.safetensors file, got /);
  expect(() => readSafetensors(path)).toThrow(expect.objectContaining({ code: "ERR_SAFETENSORS", message }));
  expect(() => readSafetensors(path)).toThrow(`got ${kind}. `);
  expect(() => readSafetensors(path)).toThrow(remedy);
});

test("a .pth file that Lockstep wrote is recognized as one", async () => {
  const path = join(dir, "own.pth");
  await writePth(path, tensors);
  expect(() => readSafetensors(path)).toThrow("got a .pth file of PyTorch. ");
});

test("a header whose length looks like the first bytes of gzip, zip or HTML is read as a header", () => {
  for (const length of [0x8b1f, 0x4b50, 0x683c]) {
    const name = "n".repeat(length - 58);
    const json = JSON.stringify({ [name]: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }).padEnd(length);
    expect(json.length).toBe(length);
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(BigInt(length));
    const path = join(dir, "header.safetensors");
    writeFileSync(path, Buffer.concat([head, Buffer.from(json), Buffer.alloc(4)]));
    expect([...readSafetensors(path).tensors.keys()]).toEqual([name]);
  }
});
