/** Checks that a benchmark undoes its set-up in reverse order, also when its body throws. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { temporaryDir, withCleanup } from "./cleanup.ts";

test("cleanup runs in reverse order, after success and after failure", async () => {
  const ended: string[] = [];
  const work = (fails: boolean) =>
    withCleanup(async (cleanup) => {
      cleanup.add(() => ended.push("first"));
      cleanup.add(() => ended.push("second"));
      if (fails) throw new Error("no luck");
      return "done";
    });
  expect(await work(false)).toBe("done");
  await expect(work(true)).rejects.toThrow("no luck");
  expect(ended).toEqual(["second", "first", "second", "first"]);
});

test("a temporary folder is removed at the end", async () => {
  const dir = await withCleanup(async (cleanup) => {
    const { dir } = temporaryDir(cleanup);
    expect(existsSync(dir)).toBe(true);
    return dir;
  });
  expect(existsSync(dir)).toBe(false);
});
