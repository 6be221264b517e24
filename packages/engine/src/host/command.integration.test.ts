/** Checks the outcome of real processes that fail, are missing or print much. */
import { expect, test } from "vitest";
import { runCommand } from "./command.ts";

const node = (script: string) => runCommand(process.execPath, ["-e", script]);

test.each([
  ["with status 0", `console.log("out"); console.error("err")`, { status: 0, stdout: "out\n", stderr: "err\n" }],
  ["with status 3", `console.error("why"); process.exit(3)`, { status: 3, stdout: "", stderr: "why\n" }],
  ["killed by a signal", `process.kill(process.pid, "SIGKILL")`, { status: null, stdout: "", stderr: "" }],
  [
    "that reads its input",
    `process.stdin.resume().on("end", () => console.log("end"))`,
    { status: 0, stdout: "end\n" },
  ],
])("a program %s yields its status and output", async (_, script, expected) => {
  expect(await node(script)).toMatchObject(expected);
});

test("a program that does not exist yields the reason", async () => {
  const result = await runCommand("/no/such/program", []);
  expect(result).toEqual({ status: null, stdout: "", stderr: "spawn /no/such/program ENOENT" });
});

test("a program may print more than a megabyte", async () => {
  const { stdout } = await node(`console.log("x".repeat(2 ** 22))`);
  expect(stdout.length).toBe(2 ** 22 + 1);
});
