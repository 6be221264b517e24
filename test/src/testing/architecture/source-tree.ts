/** Reads the packages of the repository, their files and imports, for the rules of the architecture. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { z } from "zod";

/** A package of the repository. */
export interface Package {
  /** Path from the repository's root, such as packages/run. */
  folder: string;
  name: string;
  /** Dependencies, including optional ones. */
  dependencies: ReadonlySet<string>;
  devDependencies: ReadonlySet<string>;
  /** Paths of the exported files. */
  entries: ReadonlySet<string>;
}

/** A TypeScript file of a package. */
export interface SourceFile {
  /** Path from the repository's root. */
  path: string;
  owner: Package;
  /** Whether it is a test or a test helper. */
  isTest: boolean;
  imports: readonly Import[];
}

/** An import of a file, by a path or by a package's name. */
export type Import = { path: string } | { name: string; specifier: string };

/** All packages and their files. */
export interface SourceTree {
  packages: readonly Package[];
  files: readonly SourceFile[];
}

const packageSchema = z.object({
  name: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
  devDependencies: z.record(z.string(), z.string()).default({}),
  exports: z.record(z.string(), z.object({ "lockstep-source": z.string() })).default({}),
});

const IMPORT =
  /^(?:import|export)\b[^;"]*?\bfrom "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)|\bimport\.meta\.resolve\("([^"]+)"\)|\brequire\.resolve\(["`]([^"`]+)["`]/gm;
const SKIPPED = new Set(["node_modules", "dist", ".git"]);

/** Reads the packages, the programs and the tests of the repository at `root`. */
export function readSourceTree(root: string): SourceTree {
  return parseSourceTree(readSourceTexts(root));
}

/** Returns the texts of the package.json and TypeScript files of the repository at `root`, by their paths. */
export function readSourceTexts(root: string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const folder of ["packages", "apps", "test"]) {
    for (const path of filesUnder(root, folder)) {
      if (/\.ts$|\/package\.json$/.test(path)) texts.set(path, readFileSync(join(root, path), "utf8"));
    }
  }
  return texts;
}

/** Makes a tree of the texts of package.json and TypeScript files by their paths. */
export function parseSourceTree(texts: ReadonlyMap<string, string>): SourceTree {
  const packages = [...texts]
    .filter(([path]) => path.endsWith("/package.json"))
    .map(([path, text]) => parse(path, text));
  const files = [...texts].flatMap(([path, text]): SourceFile[] => {
    const owner = packages.find(({ folder }) => path.startsWith(`${folder}/`));
    if (owner === undefined || !path.endsWith(".ts")) return [];
    return [{ path, owner, isTest: isTest(path), imports: importsOf(path, text) }];
  });
  return { packages, files };
}

function parse(path: string, text: string): Package {
  const { name, dependencies, optionalDependencies, devDependencies, exports } = packageSchema.parse(JSON.parse(text));
  const folder = posix.dirname(path);
  return {
    folder,
    name,
    dependencies: new Set(Object.keys({ ...dependencies, ...optionalDependencies })),
    devDependencies: new Set(Object.keys(devDependencies)),
    entries: new Set(Object.values(exports).map((entry) => posix.join(folder, entry["lockstep-source"]))),
  };
}

const isTest = (path: string) => /\.test\.ts$|\/testing\/|^test\//.test(path);

/** Returns the imports of a file, without Node's modules and without names that are computed at run time. */
function importsOf(path: string, text: string): Import[] {
  return [...text.matchAll(IMPORT)].flatMap(([, ...found]): Import[] => {
    const specifier = found.find((group) => group !== undefined) ?? "";
    if (specifier.startsWith("node:")) return [];
    const [first = "", second = ""] = specifier.split("/");
    const name = first.startsWith("@") ? `${first}/${second}` : first;
    if (specifier.startsWith(".")) {
      return specifier.includes("${") ? [] : [{ path: posix.join(posix.dirname(path), specifier) }];
    }
    return name.includes("${") ? [] : [{ name, specifier }];
  });
}

function filesUnder(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : filesUnder(root, path);
    return [path];
  });
}
