/** Checks measured processes with real ones, that print, fail, cannot start or never end. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { withCleanup } from "./cleanup.ts";
import { besideThis, lastLine, lockstepProgram, start } from "./processes.ts";

const node = (script: string) => [process.execPath, "-e", script];

test("the last line of a process is its measurement", async () => {
  await withCleanup(async (cleanup) => {
    const printed = await start(node(`console.log("engine: …\\n" + JSON.stringify({ stepMs: [1] }))`), cleanup).ended;
    expect(lastLine(printed)).toEqual({ stepMs: [1] });
  });
});

test("the error of a failed process has its status and last lines", async () => {
  await withCleanup(async (cleanup) => {
    const failing = start(node(`console.error("no such thing"); process.exit(3)`), cleanup);
    await expect(failing.prints(/joined/)).rejects.toThrow(/status 3:\nno such thing/);
    await expect(start(["/no/such/program"], cleanup).ended).rejects.toThrow("did not start");
  });
});

test("a process that is still running at the end is killed", async () => {
  const running = await withCleanup(async (cleanup) => {
    const endless = start(node(`console.log("here"); setInterval(() => {}, 1000)`), cleanup);
    await endless.prints(/here/);
    return endless;
  });
  await expect(running.ended).rejects.toThrow("SIGKILL");
});

test("the measured programs and scripts exist", () => {
  const programs = [lockstepProgram("coordinator"), lockstepProgram("worker")].map((words) => words.at(-1) ?? "");
  const scripts = ["pytorch/pytorch_step.py", "pytorch/pytorch_ddp.py", "step/lockstep-step.ts", "pairs/transfer.ts"];
  expect([...programs, ...scripts.map(besideThis)].filter((path) => !existsSync(path))).toEqual([]);
});
