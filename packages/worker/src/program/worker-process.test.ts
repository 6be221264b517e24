/** Checks that only a worker's own message is read as its failure, and not one of the user's module. */
import { expect, test } from "vitest";
import { parseFailure } from "./worker-process.ts";

test("a local worker's failure is read from its message, and other fields are ignored", () => {
  const failure = { code: "ERR_MODEL_DATA", message: "Too few outputs." };
  expect(parseFailure({ ...failure, more: 1 })).toEqual(failure);
});

test.each([
  [null],
  [undefined],
  ["ERR_MODEL_DATA"],
  [{}],
  [[]],
  [{ code: "ERR_OF_NOBODY", message: "Something." }],
  [{ code: null, message: "Something." }],
  [{ code: "ERR_MODEL_DATA" }],
  [{ code: "ERR_MODEL_DATA", message: {} }],
])("the message %j, which a user's model module may send to the trainer, is ignored", (message) => {
  expect(parseFailure(message)).toBe(undefined);
});
