/** Breaks each rule of the layers in turn in a small invented repository. */
import { expect, test } from "vitest";
import { architectureFaults, MAX_FOLDER_FILES } from "./rules.ts";
import { parseSourceTree } from "./source-tree.ts";

const LAYERS = [["packages/low", "packages/beside"], ["packages/high"], ["apps/program"], ["test"]];

interface Lists {
  dependencies?: string[];
  devDependencies?: string[];
}

function packageJson(name: string, { dependencies = [], devDependencies = [] }: Lists = {}): string {
  const listed = (names: string[]) => Object.fromEntries(names.map((one) => [one, "workspace:*"]));
  return JSON.stringify({
    name,
    exports: { ".": { "lockstep-source": "./src/index.ts" } },
    dependencies: listed(dependencies),
    devDependencies: listed(devDependencies),
  });
}

/** Composed, so that this file does not have the import itself. */
const dynamicImport = (specifier: string) => `await import("${specifier}");\n`;

/** Returns the violations of a valid small repository in which these files are added or replaced. */
function faultsWith(texts: Record<string, string>): string[] {
  const valid = {
    "packages/low/package.json": packageJson("@lockstep/low", { devDependencies: ["vitest"] }),
    "packages/low/src/index.ts": 'export { low } from "./low.ts";\n',
    "packages/low/src/low.ts": 'import { join } from "node:path";\nexport const low = join;\n',
    "packages/low/src/low.test.ts": 'import { test } from "vitest";\nimport { low } from "./low.ts";\n',
    "packages/beside/package.json": packageJson("@lockstep/beside"),
    "packages/high/package.json": packageJson("@lockstep/high", { dependencies: ["@lockstep/low", "zod"] }),
    "packages/high/src/index.ts": 'import {\n  type Low,\n  low,\n} from "@lockstep/low";\nimport { z } from "zod";\n',
    "apps/program/package.json": packageJson("@lockstep/program", { dependencies: ["@lockstep/high"] }),
    "apps/program/src/main.ts": dynamicImport("@lockstep/high"),
    "test/package.json": packageJson("@lockstep/test", { devDependencies: ["@lockstep/program"] }),
    "test/src/whole.test.ts": 'import { makeProgram } from "@lockstep/program/program";\n',
  };
  return architectureFaults(parseSourceTree(new Map(Object.entries({ ...valid, ...texts }))), LAYERS);
}

test("a valid tree has no violations", () => {
  expect(faultsWith({})).toEqual([]);
});

test("a package must not import one above it, not even for a type or in a test", () => {
  const listed = packageJson("@lockstep/low", { devDependencies: ["vitest", "@lockstep/high"] });
  for (const line of ['import type { High } from "@lockstep/high";', dynamicImport("@lockstep/high/part")]) {
    const faults = faultsWith({ "packages/low/package.json": listed, "packages/low/src/low.test.ts": line });
    expect(faults).toEqual(["packages/low/src/low.test.ts imports packages/high, which is not below packages/low"]);
  }
});

test("a package must not import one of its layer", () => {
  const low = packageJson("@lockstep/low", { dependencies: ["@lockstep/beside"], devDependencies: ["vitest"] });
  const faults = faultsWith({
    "packages/low/package.json": low,
    "packages/low/src/index.ts": 'export * from "./low.ts";\nexport * from "@lockstep/beside";\n',
  });
  expect(faults).toEqual(["packages/low/src/index.ts imports packages/beside, which is not below packages/low"]);
});

test("a package must not import a program", () => {
  const faults = faultsWith({
    "packages/high/package.json": packageJson("@lockstep/high", {
      dependencies: ["@lockstep/low", "@lockstep/program"],
    }),
    "packages/high/src/index.ts": 'import "@lockstep/low";\nexport { run } from "@lockstep/program";\n',
  });
  expect(faults).toEqual(["packages/high/src/index.ts imports apps/program, which is not below packages/high"]);
});

test("packages without a layer and layers without a package are reported", () => {
  expect(faultsWith({ "packages/new/package.json": packageJson("@lockstep/new") })).toEqual([
    "packages/new has no layer",
  ]);
  const tree = parseSourceTree(new Map([["packages/low/package.json", packageJson("@lockstep/low")]]));
  expect(architectureFaults(tree, [["packages/low"], ["packages/gone"]])).toEqual([
    "packages/gone has a layer, but is no package",
  ]);
});

test("files of another package are imported by its name, except fixtures", () => {
  expect(faultsWith({ "packages/high/src/more.ts": dynamicImport("../../low/src/low.ts") })).toEqual([
    "packages/high/src/more.ts imports packages/low/src/low.ts, a file of another package",
  ]);
  const fixture = 'import tiny from "../../../test/fixtures/tiny.ts";';
  expect(faultsWith({ "packages/high/src/more.test.ts": fixture })).toEqual([]);
  expect(faultsWith({ "packages/high/src/more.ts": fixture })).toHaveLength(1);
});

test("imports must be listed: those of sources in dependencies, those of tests in either list", () => {
  const source = 'import { z } from "zod/v4";\nimport { x } from "@scope/other/deep";\n';
  expect(faultsWith({ "packages/low/src/low.ts": source })).toEqual([
    "packages/low/src/low.ts imports @scope/other, which is not in the dependencies of packages/low",
    "packages/low/src/low.ts imports zod, which is not in the dependencies of packages/low",
  ]);
  const dev = packageJson("@lockstep/low", { devDependencies: ["vitest", "zod"] });
  const inSource = { "packages/low/package.json": dev, "packages/low/src/low.ts": 'import { z } from "zod";' };
  expect(faultsWith(inSource)).toHaveLength(1);
  const inTest = { "packages/low/package.json": dev, "packages/low/src/testing/help.ts": 'import { z } from "zod";' };
  expect(faultsWith(inTest)).toEqual([]);
});

test("listed packages must be imported: those in dependencies by a source", () => {
  const high = (lists: Lists) => ({ "packages/high/package.json": packageJson("@lockstep/high", lists) });
  expect(faultsWith(high({ dependencies: ["@lockstep/low", "@lockstep/beside", "zod", "idle"] }))).toEqual([
    "packages/high: @lockstep/beside is in dependencies for no source",
    "packages/high: idle is in dependencies for no source",
  ]);
  expect(faultsWith(high({ dependencies: ["@lockstep/low", "zod"], devDependencies: ["@lockstep/beside"] }))).toEqual([
    "packages/high: @lockstep/beside is in devDependencies for no test",
  ]);
  const inTest = { "packages/high/src/more.test.ts": 'import "@lockstep/beside";' };
  expect(faultsWith({ ...high({ dependencies: ["@lockstep/low", "@lockstep/beside", "zod"] }), ...inTest })).toEqual([
    "packages/high: @lockstep/beside is in dependencies for no source",
  ]);
});

test("resolving a file of a package counts as an import", () => {
  const listed = packageJson("@lockstep/low", {
    dependencies: ["fonts", "@some/headers"],
    devDependencies: ["vitest"],
  });
  const resolving = ['"@some/headers/package.json"', "`fonts/ttf/$" + "{file}`"].map(
    (one) => `require.resolve(${one});`,
  );
  const low = { "packages/low/package.json": listed, "packages/low/src/low.ts": resolving.join("\n") };
  expect(faultsWith(low)).toEqual([]);
});

test("types may be in devDependencies without an import; a package in both lists is reported", () => {
  const low = (lists: Lists) => ({ "packages/low/package.json": packageJson("@lockstep/low", lists) });
  expect(faultsWith(low({ devDependencies: ["vitest", "@types/ws"] }))).toEqual([]);
  const high = packageJson("@lockstep/high", { dependencies: ["@lockstep/low", "zod"], devDependencies: ["zod"] });
  expect(faultsWith({ "packages/high/package.json": high })).toEqual(["packages/high: zod is in both lists"]);
});

test.each([
  ["vitest", 'import { expect } from "vitest";'],
  ["@lockstep/low/testing", 'export { help } from "@lockstep/low/testing";'],
  ["@lockstep/testing", 'import type { Running } from "@lockstep/testing";'],
  ["packages/high/src/testing/help.ts", 'import { help } from "./testing/help.ts";'],
  ["packages/high/src/more.test.ts", 'import { more } from "./more.test.ts";'],
])("a source does not import %s, which is for tests", (imported, line) => {
  const forTests = ["vitest", "@lockstep/testing"].filter((name) => name === imported);
  const dependencies = ["@lockstep/low", "zod", ...forTests];
  const faults = faultsWith({
    "packages/high/package.json": packageJson("@lockstep/high", { dependencies }),
    "packages/high/src/more.ts": line,
  });
  expect(faults).toEqual([`packages/high/src/more.ts imports ${imported}, which is for tests`]);
});

test("a folder has at most 15 files, not counting tests and subfolders", () => {
  const files = (count: number, name: (index: number) => string) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [name(index), ""]));
  const most = files(MAX_FOLDER_FILES, (index) => `packages/high/src/part/${index}.ts`);
  const uncounted = { "packages/high/src/part/a.test.ts": "", "packages/high/src/part/inner/a.ts": "" };
  expect(faultsWith({ ...most, ...uncounted })).toEqual([]);
  expect(faultsWith({ ...most, "packages/high/src/part/more.ts": "" })).toEqual([
    "packages/high/src/part has 16 files; the maximum is 15",
  ]);
});

test("a file that only tests import is in testing/, unless the package exports it", () => {
  const test = 'import { help } from "./help.ts";\nimport { high } from "./index.ts";\n';
  expect(faultsWith({ "packages/high/src/help.ts": "", "packages/high/src/high.test.ts": test })).toEqual([
    "packages/high/src/help.ts is imported by tests only, but is outside testing/",
  ]);
  const used = { "packages/high/src/other.ts": 'import { help } from "./help.ts";' };
  expect(faultsWith({ "packages/high/src/help.ts": "", "packages/high/src/high.test.ts": test, ...used })).toEqual([]);
});

test("text that looks like an import is not counted", () => {
  const name = "$" + "{name}";
  const lines = [
    '/** import { a } from "@lockstep/high"; */',
    `const text = \`import x from "@lockstep/${name}"\`;`,
    `await import("@lockstep/${name}");`,
  ];
  expect(faultsWith({ "packages/low/src/low.ts": lines.join("\n") })).toEqual([]);
});
