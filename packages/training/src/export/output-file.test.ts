/** Checks how the path of an export is understood, for files and folders that exist or do not. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { assertCanExport, outputFile } from "./output-file.ts";

test("export --out is a file, or a folder if it exists as one or ends in a slash", ({ folder }) => {
  expect(outputFile(undefined, "run", "A.pth")).toBe("run/export/A.pth");
  expect(outputFile("b.pth", "run", "A.pth")).toBe("b.pth");
  expect(outputFile(folder, "run", "A.pth")).toBe(join(folder, "A.pth"));
  expect(outputFile(`${folder}/`, "run", "A.pth")).toBe(join(folder, "A.pth"));
  expect(outputFile("new/", "run", "A.pth")).toBe("new/A.pth");
});

test("an export below a file is refused early, and an export that can be written leaves nothing yet", ({ folder }) => {
  assertCanExport(join(folder, "new/A.pth"));
  expect(readdirSync(folder)).toEqual([]);
  const file = join(folder, "file");
  writeFileSync(file, "");
  expect(() => assertCanExport(join(file, "A.pth"))).toThrow(
    `Cannot write to ${file}: ${file} is a file, not a folder. Choose another path with --out.`,
  );
});
