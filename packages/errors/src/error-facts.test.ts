/** Checks what is read from thrown values that may be no errors. */
import { expect, test } from "vitest";
import { codeOf, messageOf } from "./error-facts.ts";

test("messageOf returns the message of an error, and other values as text", () => {
  expect([new RangeError("too far"), "a text", 7, undefined].map(messageOf)).toEqual([
    "too far",
    "a text",
    "7",
    "undefined",
  ]);
});

test("codeOf returns the code of an error that has one", () => {
  const withCode = (code: unknown) => Object.assign(new Error("failed"), { code });
  expect([withCode("ENOENT"), withCode(7), new Error("failed"), { code: "ENOENT" }].map(codeOf)).toEqual([
    "ENOENT",
    undefined,
    undefined,
    undefined,
  ]);
});
