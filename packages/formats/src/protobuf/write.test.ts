/** Compares written fields with the bytes in the Protocol Buffers encoding guide. */
import { expect, test } from "vitest";
import { byteLength, double, type Fields, float, int, message, text } from "./write.ts";

const hex = (fields: Fields) => Buffer.concat(fields).toString("hex");

// The first three are the examples of https://protobuf.dev/programming-guides/encoding/
test.each([
  ["a number", int(1, 150), "089601"],
  ["a text", text(2, "testing"), "120774657374696e67"],
  ["a message in a message", message(3, int(1, 150)), "1a03089601"],
  ["a field number above 15", int(20, 7), "a00107"],
  ["a number above 32 bits", int(1, 2 ** 35), "08808080808001"],
  ["a float", float(2, 1), "150000803f"],
  ["a double", double(1, -2), "0900000000000000c0"],
  ["text beyond ASCII, by its bytes", text(1, "é"), "0a02c3a9"],
])("the bytes of a field are those of the encoding guide: %s", (_, fields, bytes) => expect(hex(fields)).toBe(bytes));

test("a nested message contains its content without a copy", () => {
  const content = new Uint8Array(1000);
  const fields = message(9, [content]);
  expect(fields.at(-1)).toBe(content);
  expect(byteLength(fields)).toBe(1003);
});
