/** `pnpm verify`, as users run it: workers in processes give the weights of one machine. */

import { drawTest } from "@lockstep/testing";
import { expect } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { run, tinyModel } from "./testing/program.ts";

drawTest("pnpm verify", {
  "pnpm verify proves that three workers give the bits of one, and prints both losses of each step": async () => {
    const small = ["--model", tinyModel, "--batch-size", "50", "--max-steps", "5"];
    const finished = await run(["verify", "--workers", "3", ...small]);
    assertSucceeded(finished);
    expect(finished.stdout).toMatch(/^ {3}4 +(\d\.\d{9}) +\1 {2}equal$/m);
    expect(finished.stdout).toContain("verified: all weights are equal, bit for bit");
  },

  "pnpm verify proves it if one of them is killed halfway": async () => {
    const small = ["--model", tinyModel, "--batch-size", "50", "--max-steps", "10"];
    const finished = await run(["verify", "--workers", "3", "--kill", ...small]);
    assertSucceeded(finished);
    expect(finished.stdout).toMatch(/^killed worker-2 after [5-9] of 10 steps$/m);
    expect(finished.stdout).toContain("verified: all weights are equal, bit for bit");
  },

  "pnpm verify proves it within the tolerance for free slices and a killed worker": async () => {
    const small = ["--model", tinyModel, "--batch-size", "50", "--max-steps", "20"];
    const finished = await run(["verify", "--workers", "3", "--kill", "--free-slices", ...small]);
    assertSucceeded(finished);
    expect(finished.stdout).toMatch(/^killed worker-2 after 1\d of 20 steps$/m);
    expect(finished.stdout).toMatch(
      /^verified within 0\.0001: [1-9]\d* weights differ, relative L2 distance \d\.\de-\d+$/m,
    );
  },

  "pnpm verify proves it for AlexNet, and within the tolerance for free slices": async () => {
    const alexnet = await run(["verify", "--workers", "2", "--max-steps", "2", "--batch-size", "16"]);
    expect(alexnet.stdout).toContain("verified: all weights are equal, bit for bit");
    const free = ["--free-slices", "--model", tinyModel, "--batch-size", "32", "--max-steps", "20"];
    const finished = await run(["verify", "--workers", "3", ...free]);
    expect(finished.stderr).toBe("");
    expect(finished.stdout).toMatch(/^verified/m);
  },
});
