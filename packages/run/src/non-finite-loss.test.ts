/** Tests that a run ends when its loss is NaN or infinite, and that its error names the last good checkpoint. */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { CountingTeam } from "./testing/counting-team.ts";
import { Gate, LateTeam } from "./testing/late-team.ts";
import { test } from "./testing/recorded-run.ts";

test("a loss of NaN ends the run before the update, and names the last checkpoint with a finite loss", async ({
  run,
}) => {
  const team = new CountingTeam();
  team.lossAt = (step) => (step < 4 ? 1 : Number.NaN);
  // Step 4 computes with the weights after 4 updates, so the last good ones are those after 3.
  await expect(run.train({ checkpointEvery: 1, keep: 3 }, { team })).rejects.toThrow(
    `The loss of step 4 is NaN at learning rate 0.01; its update was not applied. The last good checkpoint is ${run.checkpoint(3)}.`,
  );
  expect(team.updates).toBe(4);
  expect(run.rows.at(-1)).toBe("step 3");
});

test("the error of an infinite loss says that no good checkpoint exists", async ({ run }) => {
  const team = new CountingTeam();
  team.lossAt = () => Number.POSITIVE_INFINITY;
  await expect(run.train({}, { team })).rejects.toThrow("No good checkpoint exists. Start again with a lower --lr");
});

test("a validation loss of NaN ends the run before the epoch's row and checkpoint", async ({ run }) => {
  const team = new CountingTeam();
  team.evaluationLoss = Number.NaN;
  await expect(run.train({}, { team })).rejects.toThrow(
    "The validation loss after 3 steps is NaN. No good checkpoint exists.",
  );
  expect(run.rows).toEqual(["step 0", "step 1", "step 2"]);
  expect(existsSync(run.folder.checkpoints)).toBe(false);
});

test.for<[keep: number, remedy: string]>([
  [1, "No good checkpoint exists."],
  [2, "The last good checkpoint is "],
])(
  "with --keep %d the error waits for the checkpoint under way, and then says: %s",
  async ([keep, remedy], { run }) => {
    const team = new LateTeam();
    const late = new Gate();
    team.late.set(4, () => late.opened);
    team.lossAt = (step) => {
      if (step < 4) return 1;
      late.open();
      return Number.NaN;
    };
    await expect(run.train({ checkpointEvery: 1, keep }, { team })).rejects.toThrow(remedy);
    expect(run.checkpoints).toContain("step-00000004.safetensors");
  },
);
