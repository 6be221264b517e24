/** Tests the line that suggests what to do with a run. */
import { expect, test } from "vitest";
import { nextStepsLine } from "./next-steps-line.ts";

test("a line to paste has the folder's name quoted for a shell", () => {
  expect(nextStepsLine("runs/ü #1")).toContain(
    "pnpm evaluate --run 'runs/ü #1', pnpm predict --run 'runs/ü #1' PICTURE",
  );
  expect(nextStepsLine("runs/a-1")).toContain("pnpm evaluate --run runs/a-1,");
});
