import { expect, test } from "vitest";
import { nextStepsLine } from "./next-steps-line.ts";

test("a line to paste has a folder's name as a shell takes it", () => {
  expect(nextStepsLine("runs/ü #1")).toContain(
    "pnpm evaluate --run 'runs/ü #1', pnpm predict --run 'runs/ü #1' PICTURE",
  );
  expect(nextStepsLine("runs/a-1")).toContain("pnpm evaluate --run runs/a-1,");
});
