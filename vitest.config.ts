/** The test runs of the repository: unit, integration and long tests. */
import { defineConfig } from "vitest/config";

// `pnpm vitest run packages/engine` runs one folder, `-t name` one test. A file's name tells its project:
//   unit         x.test.ts in packages and apps: no process, browser or native engine
//   integration  x.integration.test.ts, and all of test/src
//   long         x.long.test.ts: a drawn case of each proof, or all of them in `pnpm test:long` (mode "long")
const sources = ["packages/*/src", "apps/*/src"];
const inSources = (name: string) => sources.map((folder) => `${folder}/**/${name}`);
const INTEGRATION = "*.integration.test.ts";
const LONG = "*.long.test.ts";

export default defineConfig(({ mode }) => {
  const resolve = { conditions: ["lockstep-source"] };
  const project = (name: string, test: object) => ({
    resolve,
    ssr: { resolve },
    test: { name, environment: "node", pool: "forks", testTimeout: 120_000, hookTimeout: 300_000, ...test },
  });
  const programs = { globalSetup: ["test/src/testing/provide-engine.ts"] };
  return {
    test: {
      maxWorkers: 2,
      globalSetup: ["packages/testing/src/temporary-root.ts", "packages/testing/src/choose-seed.ts"],
      projects: [
        project("unit", {
          include: inSources("*.test.ts"),
          exclude: inSources(INTEGRATION).concat(inSources(LONG)),
          setupFiles: ["packages/testing/src/unit-only.ts"],
          isolate: false, // loading TensorFlow.js anew for each file would take longer than the tests
        }),
        project("integration", {
          include: [...inSources(INTEGRATION), "test/src/**/*.test.ts"],
          exclude: [`test/src/**/${LONG}`],
          ...programs,
        }),
        project("long", {
          include: [...inSources(LONG), `test/src/**/${LONG}`],
          env: { LOCKSTEP_TEST_CASES: mode === "long" ? "all" : "one" },
          ...programs,
        }),
      ],
    },
  };
});
