/** Rules of the architecture. Each returns a line per violation. */
import { posix } from "node:path";
import { folderCycles } from "./folder-cycles.ts";
import type { Package, SourceFile, SourceTree } from "./source-tree.ts";

/** Maximum number of files in a folder, not counting tests. */
export const MAX_FOLDER_FILES = 15;
/** Packages that only tests may import, in addition to entries named /testing and files in testing folders. */
const TEST_PACKAGES = ["vitest", "@lockstep/testing"];
const FIXTURES = "test/fixtures/";

/** Returns all violations, sorted. */
export function architectureFaults(tree: SourceTree, layers: readonly (readonly string[])[]): string[] {
  return [
    ...unplacedPackages(tree, layers),
    ...wrongArrows(tree, layers),
    ...folderCycles(tree),
    ...straysOutOfPackages(tree),
    ...unlistedDependencies(tree),
    ...unusedDependencies(tree),
    ...testCodeInSource(tree),
    ...crowdedFolders(tree),
    ...helpersOutsideTesting(tree),
  ].sort();
}

function unplacedPackages({ packages }: SourceTree, layers: readonly (readonly string[])[]): string[] {
  const placed = layers.flat();
  const found = packages.map(({ folder }) => folder);
  return [
    ...found.filter((folder) => !placed.includes(folder)).map((folder) => `${folder} has no layer`),
    ...placed.filter((folder) => !found.includes(folder)).map((folder) => `${folder} has a layer, but is no package`),
  ];
}

/** A package imports only packages of lower layers. */
function wrongArrows({ packages, files }: SourceTree, layers: readonly (readonly string[])[]): string[] {
  const layerOf = ({ folder }: Package) => layers.findIndex((layer) => layer.includes(folder));
  return files.flatMap(({ path, owner, imports }) =>
    imports.flatMap((one) => {
      const target = "name" in one ? packages.find(({ name }) => name === one.name) : undefined;
      if (target === undefined || target === owner || layerOf(target) < layerOf(owner)) return [];
      return [`${path} imports ${target.folder}, which is not below ${owner.folder}`];
    }),
  );
}

/** Other packages are imported by name. Tests may also import the fixtures. */
function straysOutOfPackages({ files }: SourceTree): string[] {
  return files.flatMap(({ path, owner, isTest, imports }) =>
    imports.flatMap((one) => {
      if (!("path" in one) || one.path.startsWith(`${owner.folder}/`)) return [];
      if (isTest && one.path.startsWith(FIXTURES)) return [];
      return [`${path} imports ${one.path}, a file of another package`];
    }),
  );
}

function unlistedDependencies({ files }: SourceTree): string[] {
  return files.flatMap(({ path, owner, isTest, imports }) =>
    imports.flatMap((one) => {
      if (!("name" in one) || one.name === owner.name || owner.dependencies.has(one.name)) return [];
      if (isTest && owner.devDependencies.has(one.name)) return [];
      const list = isTest ? "devDependencies" : "dependencies";
      return [`${path} imports ${one.name}, which is not in the ${list} of ${owner.folder}`];
    }),
  );
}

/**
 * Of devDependencies only this repository's packages are checked: others may be types, which are not imported by name.
 */
function unusedDependencies({ packages, files }: SourceTree): string[] {
  const names = new Set(packages.map(({ name }) => name));
  return packages.flatMap((owner) => {
    const own = files.filter((file) => file.owner === owner);
    const sources = own.filter(({ isTest }) => !isTest);
    const [bySource, byAny] = [importedNames(sources.length > 0 ? sources : own), importedNames(own)];
    const idle = [...owner.dependencies].filter((name) => !bySource.has(name));
    const idleInTests = [...owner.devDependencies].filter((name) => names.has(name) && !byAny.has(name));
    const twice = [...owner.dependencies].filter((name) => owner.devDependencies.has(name));
    return [
      ...idle.map((name) => `${owner.folder}: ${name} is in dependencies for no source`),
      ...idleInTests.map((name) => `${owner.folder}: ${name} is in devDependencies for no test`),
      ...twice.map((name) => `${owner.folder}: ${name} is in both lists`),
    ];
  });
}

function importedNames(files: readonly SourceFile[]): ReadonlySet<string> {
  return new Set(files.flatMap(({ imports }) => imports.flatMap((one) => ("name" in one ? [one.name] : []))));
}

function testCodeInSource({ files }: SourceTree): string[] {
  return files
    .filter(({ isTest }) => !isTest)
    .flatMap(({ path, imports }) =>
      imports.flatMap((one) => {
        const isForTests =
          "path" in one
            ? /\/testing\/|\.test\.ts$/.test(one.path)
            : TEST_PACKAGES.includes(one.name) || one.specifier.endsWith("/testing");
        return isForTests ? [`${path} imports ${"path" in one ? one.path : one.specifier}, which is for tests`] : [];
      }),
    );
}

function crowdedFolders({ files }: SourceTree): string[] {
  const counts = new Map<string, number>();
  for (const { path } of files) {
    if (path.endsWith(".test.ts")) continue;
    const folder = posix.dirname(path);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count > MAX_FOLDER_FILES)
    .map(([folder, count]) => `${folder} has ${count} files; the maximum is ${MAX_FOLDER_FILES}`);
}

/** A file that only tests import is a test helper, unless the package exports it. */
function helpersOutsideTesting({ files, packages }: SourceTree): string[] {
  const entries = new Set(packages.flatMap((one) => [...one.entries]));
  return files
    .filter(({ path, isTest }) => !isTest && !entries.has(path))
    .flatMap(({ path }) => {
      const users = files.filter(({ imports }) => imports.some((one) => "path" in one && one.path === path));
      if (users.length === 0 || users.some(({ isTest }) => !isTest)) return [];
      return [`${path} is imported by tests only, but is outside testing/`];
    });
}
