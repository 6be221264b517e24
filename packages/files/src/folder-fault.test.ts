/** Tests the reasons why folders cannot be made. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { folderFault, whyNoFolder } from "./folder-fault.ts";

const fault = (code: string) => Object.assign(new Error(`${code}: raw text`), { code, errno: -1 });

test("a folder that can be made has no fault, and the attempt leaves nothing", ({ folder }) => {
  expect(whyNoFolder(join(folder, "a/b"))).toBeUndefined();
  expect(whyNoFolder(folder)).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

test("a folder below a file cannot be made", ({ folder }) => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  expect(whyNoFolder(join(file, "a"))).toBe(`${file} is a file, not a folder`);
});

test.runIf(process.platform === "linux")("a folder in /proc cannot be made", () => {
  expect(whyNoFolder("/proc/foo/bar")).toBe("/proc takes no new folders");
});

test.for([
  ["EACCES", "you may not write in FOLDER"],
  ["EROFS", "FOLDER is on a read-only file system"],
  ["ENOSPC", "the disk is full"],
  ["ENAMETOOLONG", "its name is too long"],
] as const)("the fault %s is said in words", ([code, words], { folder }) => {
  expect(folderFault(join(folder, "a/b"), fault(code))).toBe(words.replace("FOLDER", folder));
});
