/** Compares the catalogue of codes with its page and with the codes that occur in the sources. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { catalogue, isErrorCode } from "./catalogue.ts";
import { errorsDocument } from "./testing/document.ts";

const root = join(import.meta.dirname, "../../..");

test("docs/errors.md matches the catalogue", async () => {
  await expect(errorsDocument()).toMatchFileSnapshot(join(root, "docs/errors.md"));
});

test("every code of the catalogue occurs in the source", () => {
  const sources = ["packages", "apps"].flatMap((folder) =>
    readdirSync(join(root, folder)).flatMap((part) => sourcesIn(join(root, folder, part, "src"))),
  );
  const text = sources.map((path) => readFileSync(path, "utf8")).join("\n");
  const codes = Object.values(catalogue).flatMap((group) => Object.keys(group));
  expect(codes.filter((code) => !text.includes(`"${code}"`))).toEqual([]);
});

test("isErrorCode rejects codes that this version does not define", () => {
  expect(isErrorCode("ERR_OPTION")).toBe(true);
  expect(isErrorCode("ERR_OF_TOMORROW")).toBe(false);
  expect(isErrorCode("constructor")).toBe(false);
});

function sourcesIn(dir: string): string[] {
  const names = readdirSync(dir, { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => /(?<!\.test)\.ts$/.test(name) && name !== "catalogue.ts")
    .map((name) => join(dir, name));
}
