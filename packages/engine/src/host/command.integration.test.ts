import { expect, test } from "vitest";
import { runCommand } from "./command.ts";

const node = (script: string) => runCommand(process.execPath, ["-e", script]);

test.each([
  ["that ends well", `console.log("out"); console.error("err")`, { status: 0, stdout: "out\n", stderr: "err\n" }],
  ["that fails", `console.error("why"); process.exit(3)`, { status: 3, stdout: "", stderr: "why\n" }],
  ["that is killed", `process.kill(process.pid, "SIGKILL")`, { status: null, stdout: "", stderr: "" }],
  [
    "that waits for input",
    `process.stdin.resume().on("end", () => console.log("end"))`,
    { status: 0, stdout: "end\n" },
  ],
])("A program %s is a result", async (_, script, expected) => {
  expect(await node(script)).toMatchObject(expected);
});

test("A program that is not there says so", async () => {
  const result = await runCommand("/no/such/program", []);
  expect(result).toEqual({ status: null, stdout: "", stderr: "spawn /no/such/program ENOENT" });
});

test("A program may say more than a megabyte", async () => {
  const { stdout } = await node(`console.log("x".repeat(2 ** 22))`);
  expect(stdout.length).toBe(2 ** 22 + 1);
});
