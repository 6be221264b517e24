/** docs/architecture.md shows the packages, the files of a step and the folders as they are. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { type Package, readSourceTree } from "./testing/architecture/source-tree.ts";
import { linksIn, readPage } from "./testing/documentation/documented.ts";

const root = join(import.meta.dirname, "../..");
const page = readPage("docs/architecture.md");
const tree = readSourceTree(root);
const [packagesPicture = "", stepPicture = ""] = page.match(/^```mermaid$.*?^```$/gms) ?? [];

/** Names of packages as the picture has them: those of the programs keep their folder. */
const shortName = ({ folder }: Package) => folder.replace(/^packages\//, "");

/** Returns the packages that each package and program depends on. */
function dependencies(): Map<string, string[]> {
  const drawn = tree.packages.filter(({ folder }) => folder !== "test" && folder !== "packages/testing");
  return new Map(
    drawn.map((one) => [shortName(one), drawn.filter(({ name }) => one.dependencies.has(name)).map(shortName)]),
  );
}

/** Returns `"a --> b"` for each dependency that does not follow from others. */
function reducedArrows(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const reaches = (from: string, to: string): boolean =>
    (graph.get(from) ?? []).some((next) => next === to || reaches(next, to));
  return [...graph].flatMap(([from, targets]) =>
    targets.filter((to) => !targets.some((other) => reaches(other, to))).map((to) => `${from} --> ${to}`),
  );
}

test("the picture of the packages has an arrow for each dependency that does not follow from others", () => {
  const arrows = packagesPicture.match(/\S+ --> \S+/g) ?? [];
  expect([...arrows].sort()).toEqual(reducedArrows(dependencies()).sort());
});

test("a dependency that follows from two others is no arrow of its own", () => {
  const graph = new Map([
    ["a", ["b", "c"]],
    ["b", ["c"]],
    ["c", []],
  ]);
  expect(reducedArrows(graph)).toEqual(["a --> b", "b --> c"]);
});

test("the picture of a step names files that exist", () => {
  const files = [...stepPicture.matchAll(/\["([\w-]+)\/([\w/-]+\.ts)<br>/g)].map(
    ([, owner, path]) => `packages/${owner}/src/${path}`,
  );
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});

/** Returns the folders that the rows of the list link to. */
function listedFolders(): string[] {
  const rows = page.slice(page.indexOf("## The folders")).match(/^\| .+$/gm) ?? [];
  return rows.flatMap(linksIn).map((to) => to.replace("../", ""));
}

test("the list of folders has each folder with source code of the packages and programs", () => {
  const folders = tree.files.map(({ path }) => dirname(path)).filter((folder) => /^(packages|apps)\//.test(folder));
  const expected = [...new Set(folders)].filter((folder) => !folder.includes("/testing"));
  expect(expected.length).toBeGreaterThan(80);
  const listed = listedFolders();
  expect(expected.filter((folder) => !listed.includes(folder))).toEqual([]);
});

test("each folder in the list exists, and is listed once", () => {
  const listed = listedFolders();
  expect(listed).toEqual([...new Set(listed)].filter((folder) => existsSync(join(root, folder))));
});
