/** Reads ONNX files back as they were written, and tries files with one fault and one of more than 2 GB. */
import { expect, test } from "vitest";
import { byteLength, int, message, text } from "../protobuf/write.ts";
import { type OnnxGraph, programOf } from "./onnx-graph.ts";
import { readOnnx } from "./read-onnx.ts";
import { encodeOnnx } from "./write-onnx.ts";

const facts = { producerVersion: "0", input: "", output: "", metadata: {} };
const graph: OnnxGraph = {
  name: "Small",
  inputShape: [2, 3, 1],
  numClasses: 2,
  nodes: [
    { operator: "Pad", name: "pad", inputs: ["images", "pads"], attributes: {} },
    { operator: "Gemm", name: "logits", inputs: ["pad", "w"], attributes: { transB: 1, ints: [3, 0, 300] } },
  ],
  constants: new Map([["pads", [0, 1, 2 ** 40]]]),
};

test("reading an ONNX file returns the nodes, constants and weights that were written", () => {
  const weights = new Map([["w", { shape: [2, 1], data: Float32Array.of(0.5, -2) }]]);
  expect(readOnnx(Buffer.concat(encodeOnnx(graph, weights, facts)))).toEqual(programOf(graph, weights));
});

test("encodeOnnx refuses a model of more than 2 GB", () => {
  const weight = { shape: [2 ** 14, 2 ** 14], data: new Float32Array(2 ** 28) }; // 1 GiB, never allocated
  const weights = new Map([
    ["a", weight],
    ["b", weight],
  ]);
  expect(() => encodeOnnx({ ...graph, nodes: [], constants: new Map() }, weights, facts)).toThrow(
    /^Expected at most 2147483647 bytes in an \.onnx file, got 21474838\d\d; use --to safetensors\.$/,
  );
});

test("encodeOnnx does not copy the weights", () => {
  const data = new Float32Array(1000);
  const pieces = encodeOnnx(graph, new Map([["w", { shape: [1000], data }]]), facts);
  expect(pieces.some(({ buffer }) => buffer === data.buffer)).toBe(true);
  expect(byteLength(pieces)).toBeGreaterThan(4000);
});

test.each([
  ["of no graph", [], /Expected a field 7, got none/],
  ["whose graph is a number", int(7, 1), /Expected bytes in field 7, got a number/],
  [
    "of a tensor of another type",
    message(7, message(5, [...int(2, 11), ...text(8, "x"), ...message(9, [])])),
    /type 1 or 7, got 11/,
  ],
])("readOnnx refuses a file %s", (_, fields, error) => {
  expect(() => readOnnx(Buffer.concat(fields))).toThrow(error);
});
