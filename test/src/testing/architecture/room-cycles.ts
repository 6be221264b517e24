/** Rooms of a package point one way: where two need each other, neither can be read or changed alone. */
import { posix } from "node:path";
import type { Package, SourceTree } from "./source-tree.ts";

type Arrows = Map<string, Set<string>>;

/**
 * Returns a line for each cycle of folders within a package, imports of types included, and those by tests left out. A
 * file in the package's own folder, or directly in its src, is a room by itself: what all folders share lies there, and
 * also what joins them.
 */
export function roomCycles({ packages, files }: SourceTree): string[] {
  return packages.flatMap((owner) => {
    const arrows: Arrows = new Map();
    for (const { path, imports } of files.filter((file) => file.owner === owner && !file.isTest)) {
      for (const one of imports) {
        if ("path" in one && one.path.startsWith(`${owner.folder}/`)) addArrow(arrows, owner, path, one.path);
      }
    }
    return cyclesOf(arrows).map((rooms) => `${owner.folder} has a cycle of rooms: ${rooms.join(" → ")}`);
  });
}

function addArrow(arrows: Arrows, owner: Package, from: string, to: string): void {
  const [fromRoom, toRoom] = [roomOf(owner, from), roomOf(owner, to)];
  if (fromRoom === toRoom) return;
  arrows.set(fromRoom, (arrows.get(fromRoom) ?? new Set()).add(toRoom));
}

/** Returns the path of a file's room within the package's sources. */
function roomOf({ folder }: Package, path: string): string {
  const inner = posix.relative(posix.join(folder, "src"), path);
  const room = posix.dirname(inner);
  return room === "." || room === ".." ? inner : room;
}

/** Returns a shortest cycle through each room that is in one, save for rooms of cycles that come before it. */
function cyclesOf(arrows: Arrows): string[][] {
  const cycles: string[][] = [];
  for (const room of [...arrows.keys()].sort()) {
    const cycle = cycles.flat().includes(room) ? undefined : shortestCycle(arrows, room);
    if (cycle !== undefined) cycles.push(cycle);
  }
  return cycles;
}

function shortestCycle(arrows: Arrows, start: string): string[] | undefined {
  const seen = new Set<string>();
  let paths = [[start]];
  while (paths.length > 0) {
    const longer = paths.flatMap((path) =>
      [...(arrows.get(path.at(-1) ?? start) ?? [])].map((room) => [...path, room]),
    );
    const cycle = longer.find((path) => path.at(-1) === start);
    if (cycle !== undefined) return cycle;
    paths = longer.filter((path) => {
      const room = path.at(-1) ?? start;
      return !seen.has(room) && seen.add(room);
    });
  }
  return undefined;
}
