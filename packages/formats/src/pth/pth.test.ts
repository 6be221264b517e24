/** Compares .pth files with pickle opcodes written by hand and another unzip, and reads damaged ones. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defined, temporaryFolder } from "@lockstep/testing";
import { unzipSync } from "fflate";
import { expect, test } from "vitest";
import { tensors } from "../testing/pth-tensors.ts";
import { writePth } from "./pth.ts";
import { readPth } from "./read-pth.ts";

const path = join(temporaryFolder(), "x.pth");

test("writePth makes an archive with PyTorch's entries, which another unzip reads", async () => {
  await writePth(path, tensors);
  const files = unzipSync(readFileSync(path));
  expect(Object.keys(files)).toEqual([
    "archive/data.pkl",
    "archive/byteorder",
    "archive/data/0",
    "archive/data/1",
    "archive/data/2",
    "archive/data/3",
    "archive/version",
  ]);
  expect(Buffer.from(defined(files["archive/byteorder"])).toString()).toBe("little");
  expect(Buffer.from(defined(files["archive/version"])).toString()).toBe("3\n");
  expect(new Float32Array(defined(files["archive/data/0"]).slice().buffer)).toEqual(defined(tensors[0]).data);
  expect(new Float32Array(defined(files["archive/data/3"]).slice().buffer)).toEqual(Float32Array.of(9, 10));
});

test("writePth aligns each entry's data to 64 bytes", async () => {
  await writePth(path, tensors);
  const bytes = readFileSync(path);
  const starts: number[] = [];
  for (let at = bytes.indexOf("PK\x03\x04"); at >= 0; at = bytes.indexOf("PK\x03\x04", at + 1)) {
    starts.push(at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28));
  }
  expect(starts.length).toBe(7);
  expect(starts.map((start) => start % 64)).toEqual([0, 0, 0, 0, 0, 0, 0]);
});

// Written out by hand from the descriptions of the opcodes in Python's pickletools.
test("writePth pickles the calls that rebuild the tensors", async () => {
  await writePth(path, [{ name: "w", shape: [2, 3], data: new Float32Array(6) }]);
  const pickle = Buffer.from(defined(unzipSync(readFileSync(path))["archive/data.pkl"])).toString("latin1");
  expect(pickle).toBe(
    [
      "\x80\x02", // PROTO 2
      "ccollections\nOrderedDict\n)R", // GLOBAL, EMPTY_TUPLE, REDUCE
      "(", // MARK
      "X\x01\0\0\0w", // BINUNICODE "w"
      "ctorch._utils\n_rebuild_tensor_v2\n", // GLOBAL
      "(", // MARK
      "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ\x06\0\0\0tQ", // the storage, BINPERSID
      "J\0\0\0\0", // its offset, BININT 0
      "(J\x02\0\0\0J\x03\0\0\0t", // size (2, 3)
      "(J\x03\0\0\0J\x01\0\0\0t", // stride (3, 1)
      "\x89", // NEWFALSE: requires_grad
      "ccollections\nOrderedDict\n)R", // backward hooks
      "tR", // TUPLE, REDUCE
      "u.", // SETITEMS, STOP
    ].join(""),
  );
});

test("readPth returns the tensors that were written", async () => {
  await writePth(path, tensors);
  const written = tensors.map(({ name, shape, data }) => [name, { shape, data: data.slice() }]);
  expect([...readPth(path)]).toEqual(written);
});

test("readPth refuses a file with a flipped bit, a truncated file and a file of another format", async () => {
  await writePth(path, tensors);
  const bytes = readFileSync(path);
  const at = bytes.indexOf(Buffer.from(Float32Array.of(1, -2).buffer));
  const refused = (damaged: Uint8Array) => {
    writeFileSync(path, damaged);
    return expect(() => readPth(path));
  };
  refused(bytes.with(at + 1, 1)).toThrow(/^Expected the checksum \d+ for archive\/data\/0/);
  refused(bytes.subarray(0, -1)).toThrow(/^Expected "PK/);
  refused(Buffer.from("not a file of PyTorch's")).toThrow(/^Expected "PK/);
  refused(new Uint8Array(0)).toThrow(/^Expected 22 bytes, got 0/);
});
