/** Tests the errors of command lines that the trainer does not know. */
import { expect, test } from "vitest";
import { trainerProgram } from "./trainer.ts";

test.each([
  [["train", "--epochs", "3"], "Unknown option '--epochs'. Add --help to list the options."],
  [
    ["train", "--num-epoch", "3"],
    "Unknown option '--num-epoch'. (Did you mean --num-epochs?) Add --help to list the options.",
  ],
  [["predict", "--run", "r"], "Missing required argument 'image'. Add --help to list the options."],
  [["export", "--to", "pth"], "Required option '--run <dir>' not specified. Add --help to list the options."],
  [["trian"], "Unknown command 'trian'. (Did you mean train?) Add --help to list the options."],
])("a command line that the trainer does not know is an ERR_OPTION: %j", (words, message) => {
  expect(() => trainerProgram().parse(words, { from: "user" })).toThrow(
    expect.objectContaining({ code: "ERR_OPTION", message }),
  );
});
