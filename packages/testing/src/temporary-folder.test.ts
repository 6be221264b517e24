/** Checks, one test after another, which folders the end of a test deletes. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder, test } from "./temporary-folder.ts";

const ofFile = temporaryFolder();
const ofTests: string[] = [];

test("the fixture is an empty folder", ({ folder }) => {
  ofTests.push(folder, temporaryFolder());
  expect(readdirSync(folder)).toEqual([]);
  for (const each of [...ofTests, ofFile]) writeFileSync(join(each, "file"), "");
});

test("a test's folders are deleted at its end, and a file's folder stays", () => {
  expect([...ofTests, ofFile].map(existsSync)).toEqual([false, false, true]);
});
