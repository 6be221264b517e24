/** Layers of packages: a package may import those of the lines above its line, and no others. */

/** Folders of packages. Those in one line do not import each other. */
export const LAYERS: readonly (readonly string[])[] = [
  ["packages/errors"],
  ["packages/testing"],
  ["packages/pages", "packages/random"],
  ["packages/files", "packages/outbound"],
  ["packages/formats"],
  ["packages/dataset", "packages/engine", "packages/gradient-sync", "packages/transport"],
  ["packages/config", "packages/discovery", "packages/model"],
  ["packages/run"],
  ["packages/dashboard", "packages/playground", "packages/training"],
  ["packages/coordinator", "packages/worker"],
  ["packages/trainer"],
  ["packages/bench"],
  ["apps/coordinator", "apps/trainer", "apps/worker"],
  ["test"],
];
