/** Checks the reading of fields whose bytes are written by hand, malformed ones included. */
import { expect, test } from "vitest";
import { fieldsOf } from "./read.ts";

const read = (hex: string) => [...fieldsOf(Buffer.from(hex, "hex"))];

// The first three are the examples of https://protobuf.dev/programming-guides/encoding/
test.each([
  ["a number", "089601", 1, 150],
  ["a text", "120774657374696e67", 2, Buffer.from("testing")],
  ["an inner message", "1a03089601", 3, Buffer.from("089601", "hex")],
  ["a field number above 15", "a00107", 20, 7],
  ["a number above 32 bits", "08808080808001", 1, 2 ** 35],
  ["a float", "150000803f", 2, 1],
  ["a double", "0900000000000000c0", 1, -2],
])("fieldsOf reads %s", (_, hex, field, value) => expect(read(hex)).toEqual([{ field, value }]));

test("fieldsOf yields the fields in order", () => {
  expect(read("0801080210ff01")).toEqual([
    { field: 1, value: 1 },
    { field: 1, value: 2 },
    { field: 2, value: 255 },
  ]);
});

test.each([
  ["a message that ends too early", "120774", /Expected 6 more bytes/],
  ["a number that ends too early", "0896", /Expected 1 more bytes/],
  ["a number of 64 bits", "08ffffffffffffffffff01", /below 2\^53/],
  ["a group", "0b", /got 3/],
])("fieldsOf refuses %s", (_, hex, message) => expect(() => read(hex)).toThrow(message));
