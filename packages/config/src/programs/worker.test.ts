/** Tests the options of a worker. */
import { expect, onTestFinished, test, vi } from "vitest";
import { workerProgram } from "./worker.ts";

const parse = (...words: string[]) => workerProgram().parse(words, { from: "user" });

test.each([
  [["--name", ""], "Expected a name of 1 to 128 characters, got an empty one."],
  [["--name", "w".repeat(129)], "Expected a name of 1 to 128 characters, got 129."],
  [["--threads", "0"], 'Expected a whole number of at least 1, got "0".'],
  [["--max-rows", "9".repeat(30)], `Expected a whole number of at least 1, got "${"9".repeat(30)}".`],
])("a worker refuses its own options before it connects: %j", (words, expected) => {
  expect(() => parse(...words)).toThrow(
    expect.objectContaining({ code: "ERR_OPTION", message: expect.stringContaining(expected) }),
  );
});

test("a worker takes the longest name and one thread", () => {
  expect(parse("--name", "w".repeat(128), "--threads", "1").opts()).toMatchObject({
    name: "w".repeat(128),
    threads: 1,
  });
});

test("a variable of the environment that is set to nothing counts as unset", () => {
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv("LOCKSTEP_TOKEN", "");
  vi.stubEnv("LOCKSTEP_COORDINATOR", "");
  expect(parse().opts()).toEqual({ log: "text", reconnectMs: 120_000 });
  vi.stubEnv("LOCKSTEP_TOKEN", "secret");
  expect(parse().opts()).toMatchObject({ token: "secret" });
});
