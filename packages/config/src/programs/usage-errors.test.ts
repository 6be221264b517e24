/** Tests the errors of command lines that the trainer does not know. */
import { expect, test } from "vitest";
import { trainerProgram } from "./trainer.ts";

test.each([
  [["train", "--rate", "3"], "Unknown option '--rate'. Add --help to list the options."],
  [
    ["train", "--epochs", "3"],
    "Unknown option '--epochs'. (Did you mean --num-epochs?) Add --help to list the options.",
  ],
  [
    ["train", "--threads-per-worker", "2"],
    "Unknown option '--threads-per-worker'. (Did you mean one of --threads, --workers?) Add --help to list the options.",
  ],
  [["train", "--steps=3"], "Unknown option '--steps=3'. (Did you mean --max-steps?) Add --help to list the options."],
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
