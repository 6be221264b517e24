/** Finds cycles of imports between the folders of a package: neither folder of a cycle can be read or changed alone. */
import { posix } from "node:path";
import type { Package, SourceTree } from "./source-tree.ts";

type Arrows = Map<string, Set<string>>;

/**
 * Returns a line for each cycle of folders within a package. Imports of types count, imports in tests do not. A file in
 * the package's root or directly in its `src` counts as a folder: such files hold what all folders
 * share, and what joins them.
 */
export function folderCycles({ packages, files }: SourceTree): string[] {
  return packages.flatMap((owner) => {
    const arrows: Arrows = new Map();
    for (const { path, imports } of files.filter((file) => file.owner === owner && !file.isTest)) {
      for (const one of imports) {
        if ("path" in one && one.path.startsWith(`${owner.folder}/`)) addArrow(arrows, owner, path, one.path);
      }
    }
    return cyclesOf(arrows).map((folders) => `${owner.folder} has a cycle of folders: ${folders.join(" → ")}`);
  });
}

function addArrow(arrows: Arrows, owner: Package, from: string, to: string): void {
  const [fromFolder, toFolder] = [folderOf(owner, from), folderOf(owner, to)];
  if (fromFolder === toFolder) return;
  arrows.set(fromFolder, (arrows.get(fromFolder) ?? new Set()).add(toFolder));
}

/** Returns the path of a file's folder within the package's sources, or that of a file that counts as a folder. */
function folderOf(owner: Package, path: string): string {
  const inner = posix.relative(posix.join(owner.folder, "src"), path);
  const folder = posix.dirname(inner);
  return folder === "." || folder === ".." ? inner : folder;
}

/** Returns a shortest cycle through each folder that is in one, except for folders of cycles found before. */
function cyclesOf(arrows: Arrows): string[][] {
  const cycles: string[][] = [];
  for (const folder of [...arrows.keys()].sort()) {
    const cycle = cycles.flat().includes(folder) ? undefined : shortestCycle(arrows, folder);
    if (cycle !== undefined) cycles.push(cycle);
  }
  return cycles;
}

function shortestCycle(arrows: Arrows, start: string): string[] | undefined {
  const seen = new Set<string>();
  let paths = [[start]];
  while (paths.length > 0) {
    const longer = paths.flatMap((path) =>
      [...(arrows.get(path.at(-1) ?? start) ?? [])].map((folder) => [...path, folder]),
    );
    const cycle = longer.find((path) => path.at(-1) === start);
    if (cycle !== undefined) return cycle;
    paths = longer.filter((path) => {
      const folder = path.at(-1) ?? start;
      return !seen.has(folder) && seen.add(folder);
    });
  }
  return undefined;
}
