import type { Command } from "commander";
import { expect, test } from "vitest";
import { workerProgram } from "./worker.ts";

/** What a user reads who gives these words; "" if they are taken. */
function complaint(program: Command, ...words: string[]): string {
  let text = "";
  const options = { writeErr: (written: string) => (text += written) };
  try {
    program.exitOverride().configureOutput(options).parse(words, { from: "user" });
  } catch {
    // It has been written.
  }
  return text;
}

test.each([
  [["--name", ""], "Expected a name of 1 to 128 characters, got an empty one."],
  [["--name", "w".repeat(129)], "Expected a name of 1 to 128 characters, got 129."],
  [["--threads", "0"], 'Expected a whole number of at least 1, got "0".'],
  [["--max-rows", "9".repeat(30)], `Expected a whole number of at least 1, got "${"9".repeat(30)}".`],
  [["--name", "w".repeat(128), "--threads", "1"], ""],
])("a worker's own options are checked before it connects: %j", (words, expected) => {
  expect(complaint(workerProgram(), ...words)).toContain(expected);
  if (expected === "") expect(complaint(workerProgram(), ...words)).toBe("");
});
