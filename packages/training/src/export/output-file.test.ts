/** Checks how the path of an export is understood, for files and folders that exist or do not. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { assertCanExport, outputFile } from "./output-file.ts";

const dir = mkdtempSync(join(tmpdir(), "lockstep-output-"));
afterAll(() => rmSync(dir, { recursive: true }));

test("export --out is a file, or a folder if it exists as one or ends in a slash", () => {
  expect(outputFile(undefined, "run", "A.pth")).toBe("run/export/A.pth");
  expect(outputFile("b.pth", "run", "A.pth")).toBe("b.pth");
  expect(outputFile(dir, "run", "A.pth")).toBe(join(dir, "A.pth"));
  expect(outputFile(`${dir}/`, "run", "A.pth")).toBe(join(dir, "A.pth"));
  expect(outputFile("new/", "run", "A.pth")).toBe("new/A.pth");
});

test("an export below a file is refused early, and an export that can be written leaves nothing yet", () => {
  assertCanExport(join(dir, "new/A.pth"));
  expect(readdirSync(dir)).toEqual([]);
  const file = join(dir, "file");
  writeFileSync(file, "");
  expect(() => assertCanExport(join(file, "A.pth"))).toThrow(
    `Cannot write to ${file}: ${file} is a file, not a folder. Choose another path with --out.`,
  );
  rmSync(file);
});
