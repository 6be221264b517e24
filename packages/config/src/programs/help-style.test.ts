/** Tests the text of `--help`. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { coordinatorProgram } from "./coordinator.ts";
import { trainerProgram } from "./trainer.ts";
import { workerProgram } from "./worker.ts";

const helpOf = (name: string) =>
  defined(trainerProgram().commands.find((one) => one.name() === name)).helpInformation();

test("the usage shows each command as it is typed", () => {
  const usages = [helpOf("train"), helpOf("doctor"), coordinatorProgram().helpInformation()];
  expect(usages.map((help) => help.split("\n")[0])).toEqual([
    "Usage: pnpm train [options]",
    "Usage: pnpm run doctor [options]",
    "Usage: pnpm coordinator [options]",
  ]);
});

test("the help marks the options that are required", () => {
  const required = helpOf("export").match(/--\w+ <\w+>(?=[^-]*\(required\))/g);
  expect(required).toEqual(["--run <dir>", "--to <format>"]);
});

test("the help lists choices only where the description does not name them", () => {
  const help = helpOf("train").replace(/\s+/g, " ");
  expect(help.match(/\w+ \(choices: .*?\)/g)).toEqual(['use (choices: "native", "webgpu", "wasm", "cpu")']);
});

test("a worker's help begins with the coordinator's address", () => {
  expect(workerProgram().helpInformation()).toMatch(/^Options:\n {2}--coordinator <url>/m);
});
