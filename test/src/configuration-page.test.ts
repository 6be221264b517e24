/** Compares the page of options with the definitions, and its variables with those that the sources read. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { configurationPage } from "./testing/documentation/configuration-page.ts";

const root = join(import.meta.dirname, "../..");

test("docs/configuration.md equals the page that the option definitions generate", async () => {
  await expect(configurationPage()).toMatchFileSnapshot(join(root, "docs/configuration.md"));
});

test("docs/configuration.md lists every environment variable that the programs read, and no other", () => {
  const names = (text: string) => new Set(text.match(/\bLOCKSTEP_(?!TEST_)[A-Z0-9_]+\b/g));
  const sources = ["packages", "apps"].flatMap((folder) =>
    readdirSync(join(root, folder)).flatMap((part) => sourcesIn(join(root, folder, part, "src"))),
  );
  expect(names(configurationPage())).toEqual(names(sources.map((path) => readFileSync(path, "utf8")).join("\n")));
});

function sourcesIn(dir: string): string[] {
  const files = readdirSync(dir, { recursive: true, encoding: "utf8" });
  return files.filter((name) => /(?<!\.test)\.ts$/.test(name)).map((name) => join(dir, name));
}
