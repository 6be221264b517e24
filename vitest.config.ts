import { defineConfig } from "vitest/config";

// One run for the whole repository; `pnpm test packages/engine` runs one folder, `pnpm test -t name` one test.
export default defineConfig({
  resolve: { conditions: ["lockstep-source"] },
  ssr: { resolve: { conditions: ["lockstep-source"] } },
  test: {
    include: ["packages/*/src/**/*.test.ts", "apps/*/src/**/*.test.ts", "test/src/**/*.test.ts"],
    environment: "node",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 300_000,
    // Real processes, sockets and a browser on a machine that CI shares: one that fails is run once more, and marked.
    retry: process.env["CI"] === undefined ? 0 : 1,
    globalSetup: ["packages/testing/src/temporary-folder.ts", "test/src/testing/provide-engine.ts"],
  },
});
