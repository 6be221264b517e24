/** Tests the command that resumes a run. */
import { Command, Option } from "@commander-js/extra-typings";
import { expect, test } from "vitest";
import { positiveNumber, tidyArguments } from "./command-line.ts";
import { explicitFlags, resumeLine } from "./resume-line.ts";

/** A program with an option of each kind that ours have. */
function program(...words: string[]): Command {
  const list = (value: string, before: string[]) => [...before, value];
  return new Command()
    .option("--host <address>", "", "127.0.0.1")
    .addOption(new Option("--port <n>", "").argParser(positiveNumber))
    .addOption(new Option("--token <token>", "").env("A_TOKEN_OF_THIS_TEST"))
    .addOption(new Option("--allow-host <name>", "").argParser(list).default([]))
    .option("--keep-open", "")
    .option("--gpu [index]", "")
    .option("--no-dashboard", "")
    .option("--out <dir>", "")
    .parse(tidyArguments(["program", ...words]).slice(1), { from: "user" });
}

test("explicit flags are those that were typed, without defaults, the environment and excluded options", () => {
  const words = ["--out", "x", "--allow-host", "a", "--allow_host=b:6", "--port=5", "--keep-open", "--no-dashboard"];
  process.env["A_TOKEN_OF_THIS_TEST"] = "secret";
  try {
    const flags = explicitFlags(program(...words), ["out"]);
    expect(flags).toEqual(["--port", "5", "--allow-host", "a", "--allow-host", "b:6", "--keep-open", "--no-dashboard"]);
    expect(explicitFlags(program(...flags), [])).toEqual(flags);
  } finally {
    delete process.env["A_TOKEN_OF_THIS_TEST"];
  }
  expect(explicitFlags(program(), [])).toEqual([]);
});

test("a resume line has the options that the folder does not keep, quoted for a shell", () => {
  expect(resumeLine("pnpm train", "runs/my run", ["--name", "it's"])).toBe(
    String.raw`pnpm train --resume 'runs/my run' --name 'it'\''s'`,
  );
});
