/** Compares files with the format's specification, and reads drawn, truncated and hostile ones. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { temporaryFolder } from "@lockstep/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { elementCount } from "../element-count.ts";
import { type NamedTensor, readSafetensors, writeSafetensors } from "./safetensors.ts";

const path = join(temporaryFolder(), "x.safetensors");

/** A file made by hand: a header in JSON or text, then zeros. */
function readFile(header: unknown, dataBytes: number) {
  const json = typeof header === "string" ? header : JSON.stringify(header);
  writeFileSync(path, Buffer.concat([lengthOf(json), Buffer.from(json), Buffer.alloc(dataBytes)]));
  return readSafetensors(path);
}

function lengthOf(json: string): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
  return length;
}

function messageOf(read: () => void): string {
  try {
    read();
  } catch (error) {
    expect(error).toMatchObject({ code: "ERR_SAFETENSORS" });
    return (error as Error).message;
  }
  throw new Error("It was read.");
}

const tensor = (name: string, ...shape: number[]): NamedTensor => {
  const data = new Float32Array(elementCount(shape)).map((_, i) => i + 0.5);
  return { name, shape, data };
};

const tensorsArbitrary = fc
  .uniqueArray(fc.string(), { maxLength: 5 })
  .chain((names) =>
    fc.tuple(
      ...names
        .filter((name) => name !== "__metadata__")
        .map((name) =>
          fc
            .array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 })
            .chain((shape) =>
              fc
                .array(fc.float(), { minLength: product(shape), maxLength: product(shape) })
                .map((values) => ({ name, shape, data: Float32Array.from(values) })),
            ),
        ),
    ),
  );
const product = (shape: number[]) => elementCount(shape);
const metadataArbitrary = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });

test("writeSafetensors writes the bytes that the format's specification asks for", async () => {
  await writeSafetensors(path, [{ name: "w", shape: [1, 2], data: Float32Array.of(1, -2) }], { a: "b" });
  const json = '{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}';
  expect(json.length).toBe(81);
  const expected = [
    Buffer.of(88, 0, 0, 0, 0, 0, 0, 0),
    Buffer.from(json.padEnd(88)),
    Buffer.from("0000803f000000c0", "hex"),
  ];
  expect(readFileSync(path)).toEqual(Buffer.concat(expected));
});

test("readSafetensors returns the tensors that were written, bit for bit and in order", async () => {
  await fc.assert(
    fc.asyncProperty(tensorsArbitrary, metadataArbitrary, async (tensors, metadata) => {
      await writeSafetensors(path, tensors, metadata);
      const file = readSafetensors(path);
      expect(file.metadata).toEqual(metadata);
      expect([...file.tensors].map(([name, { shape, data }]) => ({ name, shape, data }))).toEqual(tensors);
    }),
    { examples: [[[], { ["__proto__"]: "text" }]] },
  );
});

test("an empty tensor is written and read", async () => {
  const empty = { name: "w", shape: [2, 0], data: new Float32Array(0) };
  await writeSafetensors(path, [tensor("a", 1), empty, tensor("b", 1)]);
  const { tensors } = readSafetensors(path);
  expect(tensors.get("w")).toEqual({ shape: empty.shape, data: empty.data });
  expect(tensors.get("b")).toEqual({ shape: [1], data: Float32Array.of(0.5) });
});

test("writeSafetensors writes only the range of a buffer that a tensor views", async () => {
  const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
  await writeSafetensors(path, [{ name: "w", shape: [2], data }]);
  expect(readSafetensors(path).tensors.get("w")?.data).toEqual(Float32Array.of(2, 3));
});

test("readSafetensors names and refuses a file truncated at any byte, or with a byte too many", async () => {
  await writeSafetensors(path, [tensor("a", 2, 3), tensor("b", 1)], { step: "1" });
  const bytes = readFileSync(path);
  for (let length = 0; length < bytes.length; length++) {
    writeFileSync(path, bytes.subarray(0, length));
    expect(() => readSafetensors(path), `${length} bytes`).toThrow(
      expect.objectContaining({ code: "ERR_SAFETENSORS", message: expect.stringContaining(`${path}: expected `) }),
    );
  }
  writeFileSync(path, Buffer.concat([bytes, Buffer.of(0)]));
  expect(() => readSafetensors(path)).toThrow("expected 28 bytes of data, got 29. The file is damaged");
});

const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = "F32") => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
test.each([
  [
    "a dtype that would lose something",
    { w: entry(0, 12, [3], "I32") },
    'dtype F32, F16 or BF16 for "w", got I32. Convert',
  ],
  ["half the bytes of a dtype", { w: entry(0, 12, [3], "F64") }, 'dtype F32, F16 or BF16 for "w", got F64. Convert it'],
  ["16-bit floats of another length", { w: entry(0, 12, [3], "F16") }, '6 bytes for "w" [3], got 12'],
  ["a gap", { a: entry(0, 4), b: entry(8, 12) }, '"b" to start at byte 4 of the data, got 8'],
  ["an overlap", { a: entry(0, 8), b: entry(4, 12) }, '"b" to start at byte 8 of the data, got 4'],
  ["a tensor outside of the file", { a: entry(0, 400) }, "400 bytes of data, got 12"],
  ["a shape that does not fit", { a: entry(0, 12, [2, 2]) }, '16 bytes for "a" [2,2], got 12'],
  ["an entry of another form", { a: { dtype: "F32", shape: [-1], data_offsets: [0, 4] } }, 'data_offsets of "a"'],
  ["metadata that is not text", { __metadata__: { step: 1 } }, 'metadata that maps text to text, got {"step":1}'],
  ["metadata that is a list", { __metadata__: [] }, "metadata that maps text to text, got []"],
  ["no JSON", '{"a":', 'a JSON object, got "{\\"a\\":"'],
  ["JSON of another kind", "[]", 'a JSON object, got "[]"'],
  [
    "a name that comes twice",
    `{"a":${JSON.stringify(entry(0, 12))}, "\\u0061" :${JSON.stringify(entry(0, 12))}}`,
    "each tensor once, got a twice",
  ],
])("readSafetensors refuses %s", (_, header, message) => {
  expect(() => readFile(header, 12)).toThrow(message);
});

test("readSafetensors accepts any order in the header, and names that look like JSON", () => {
  const file = readFile({ '{"b":': entry(4, 12), a: entry(0, 4) }, 12);
  expect([...file.tensors.keys()]).toEqual(["a", '{"b":']);
});

test("readSafetensors refuses an absurd header length without reading the header", () => {
  writeFileSync(path, Buffer.alloc(16, 0xff));
  expect(() => readSafetensors(path)).toThrow("a header of at most 100000000 bytes, got 18446744073709551615");
});

test("readSafetensors skips PyTorch's integer counters", () => {
  const counter = { dtype: "I64", shape: [], data_offsets: [4, 12] };
  const header = { "bn.weight": entry(0, 4), "bn.num_batches_tracked": counter };
  expect([...readFile(header, 12).tensors.keys()]).toEqual(["bn.weight"]);
  const averaged = { n_averaged: { ...counter, data_offsets: [0, 8] }, "module.fc.weight": entry(8, 12) };
  expect([...readFile(averaged, 12).tensors.keys()]).toEqual(["module.fc.weight"]);
  expect(() => readFile({ ...header, steps: { ...counter, data_offsets: [12, 20] } }, 20)).toThrow(
    'for "steps", got I64',
  );
});

test("readSafetensors widens 16-bit floats at any offset", () => {
  const json = JSON.stringify({
    a: { dtype: "F16", shape: [1], data_offsets: [0, 2] },
    b: entry(2, 6),
    c: { dtype: "BF16", shape: [2, 1], data_offsets: [6, 10] },
  });
  const data = Buffer.from("003c" + "0000003f" + "80bf" + "4940", "hex"); // 1; 0.5; -1, 3.140625
  writeFileSync(path, Buffer.concat([lengthOf(json), Buffer.from(json), data]));
  const { tensors } = readSafetensors(path);
  expect([...tensors].map(([name, { shape, data }]) => [name, shape, [...data]])).toEqual([
    ["a", [1], [1]],
    ["b", [1], [0.5]],
    ["c", [2, 1], [-1, 3.140625]],
  ]);
});

test("readSafetensors refuses a header nested 200,000 deep without a stack overflow", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  for (const header of [
    `{"a":${deep}}`,
    `{"__metadata__":{"x":${deep}}}`,
    `{"a":${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}}`,
  ]) {
    expect(() => readFile(header, 0)).toThrow("a header nested at most 8 deep, got a deeper one.");
  }
});

test("errors of readSafetensors shorten long names and values", () => {
  const long = "x".repeat(100_000);
  const headers = [
    { [long]: 1 },
    { w: { ...entry(0, 4), dtype: long } },
    { w: { [long]: long } },
    { [long]: entry(4, 8) },
    { [long]: entry(0, 8, [1]) },
    { __metadata__: { step: [long] } },
    {
      w: entry(
        0,
        4,
        Array.from({ length: 50_000 }, () => 2),
      ),
    },
    `{"${long}":${JSON.stringify(entry(0, 4))},"${long}":${JSON.stringify(entry(0, 4))}}`,
  ];
  for (const header of headers) expect(messageOf(() => readFile(header, 4)).length).toBeLessThan(500);
});

test("readSafetensors reads a name of ten million characters", () => {
  const name = "x".repeat(10_000_000);
  expect(readFile({ [name]: entry(0, 4) }, 4).tensors.size).toBe(1);
});

test("readSafetensors names the files in a folder that was given in place of a file", async () => {
  await writeSafetensors(path, [tensor("a", 1)]);
  expect(() => readSafetensors(dirname(path))).toThrow(
    "expected a .safetensors file, got a folder. Give the path of a file in it: x.safetensors.",
  );
});

test("readSafetensors refuses a missing file", () => {
  expect(() => readSafetensors(`${path}.none`)).toThrow(/^Cannot open .*\.none \(ENOENT/);
});

test("writeSafetensors refuses a duplicate name, the reserved name and a shape that does not match", async () => {
  const twice = writeSafetensors(path, [tensor("a", 1), tensor("a", 2)]);
  await expect(twice).rejects.toThrow('each tensor once, got "a" twice');
  await expect(writeSafetensors(path, [tensor("__metadata__", 1)])).rejects.toThrow("twice");
  await expect(writeSafetensors(path, [{ ...tensor("a", 2), shape: [3] }])).rejects.toThrow(
    '3 elements for "a" [3], got 2',
  );
});

test("writeSafetensors leaves no temporary and no incomplete file", async () => {
  await writeSafetensors(path, [tensor("a", 2)]);
  const before = readFileSync(path);
  await expect(writeSafetensors(path, [tensor("a", 1), tensor("a", 1)])).rejects.toThrow();
  expect(readFileSync(path)).toEqual(before);
});
