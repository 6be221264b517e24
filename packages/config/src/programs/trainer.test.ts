/** Tests how the trainer's command line is parsed. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { explicitRunOptions, machineOptions, tidyArguments } from "../command-line.ts";
import { trainerProgram, unsavedFlags } from "./trainer.ts";

/** Returns a command that has its options. */
function parsed(...words: string[]) {
  const program = trainerProgram();
  const command = defined(program.commands.find((one) => one.name() === words[0]));
  program.parse(tidyArguments(words), { from: "user" });
  return command;
}
const parse = (...words: string[]): Record<string, unknown> => parsed(...words).opts();

test("--gpu takes an index only where digits follow", () => {
  expect(machineOptions(parse("train", "--gpu"))).toEqual({ gpu: true });
  expect(machineOptions(parse("train", "--gpu", "1"))).toEqual({ gpu: 1 });
  expect(machineOptions(parse("train", "--gpu", "--lr", "1"))).toEqual({ gpu: true });
  expect(machineOptions(parse("predict", "--run", "r", "--gpu", "image.png"))).toEqual({ gpu: true });
});

test("the unsaved flags of a training are all that was typed and that its folder does not keep", () => {
  const saved = ["--lr", "0.1", "--no-shuffle", "--threads", "2", "--gpu", "--out", "runs/a"];
  const unsaved = ["--log", "json", "--workers", "2", "--port", "9000", "--no-dashboard"];
  expect(unsavedFlags(parsed("train", ...saved, ...unsaved)).sort()).toEqual([...unsaved].sort());
  expect(unsavedFlags(parsed("train", ...saved))).toEqual([]);
});

test("options may have underscores in the place of dashes, and npm's -- is ignored", () => {
  expect(explicitRunOptions(parse("train", "--batch_size", "8", "--num_epochs=3"))).toEqual({
    batchSize: "8",
    numEpochs: "3",
  });
  expect(explicitRunOptions(parse("train", "--", "--lr", "0.5"))).toEqual({ lr: "0.5" });
  expect(explicitRunOptions(parse("train", "--out", "my_run", "--model", "./my_model.ts"))).toEqual({
    model: "./my_model.ts",
  });
});

test("--test is explicit, so that it can undo the --no-test of a resumed run", () => {
  expect(explicitRunOptions(parse("train", "--resume", "r", "--test"))).toEqual({ test: true });
  expect(explicitRunOptions(parse("train", "--no-test"))).toEqual({ test: false });
});

test("the help of verify states the defaults of verify", () => {
  const help = defined(trainerProgram().commands.find((one) => one.name() === "verify")).helpInformation();
  const stated = help.replace(/\s+/g, " ");
  const defaults = ["shapes", "10, or 50 with --free-slices", "8, or none with --free-slices", "1"];
  for (const value of defaults) expect(stated).toContain(`(default: ${value})`);
  expect(stated).not.toContain("(default: cifar10)");
});

test("verify compares at least two workers with one", () => {
  expect(() => parse("verify", "--workers", "1")).toThrow(
    expect.objectContaining({
      code: "ERR_OPTION",
      message: expect.stringContaining('Expected a whole number of at least 2, got "1".'),
    }),
  );
});

test("only options that were given are explicit, also switches", () => {
  expect(explicitRunOptions(parse("train"))).toEqual({});
  expect(explicitRunOptions(parse("train", "--no-shuffle", "--allow-softmax"))).toEqual({
    shuffle: false,
    allowSoftmax: true,
  });
  expect(machineOptions(parse("train", "--gpu", "0"))).toEqual({ gpu: 0 });
});
