/** Tests of the warning about a loss that stays at that of random guessing. */
import type { ExplicitOptions } from "@lockstep/config";
import { expect } from "vitest";
import { CountingTeam } from "../testing/counting-team.ts";
import { type RecordedRun, test } from "../testing/recorded-run.ts";
import { FlatLoss, flatLossLine } from "./flat-loss.ts";

/** 40 epochs of 3 steps. */
const LONG: ExplicitOptions = { numEpochs: 40, test: false };

/** Returns a team with the loss of AlexNet from PyTorch's weights: 2.303, ± up to 0.03. */
function guessingTeam(updates = 0): CountingTeam {
  const team = new CountingTeam(updates);
  team.lossAt = (step) => Math.log(10) + 0.03 * Math.sin(step * 7);
  team.validations.push(...new Array<number>(40).fill(1));
  return team;
}

/** Returns the warnings that a run has printed. */
const warnings = ({ lines }: RecordedRun) => lines.filter((line) => line.includes("stayed at"));

test("a loss that stays at that of guessing for 100 steps has one warning, which suggests --init he", async ({
  run,
}) => {
  await run.train(LONG, { team: guessingTeam() });
  expect(warnings(run)).toEqual([
    expect.stringMatching(
      /^The loss has stayed at 2\.30\d, the loss of random guessing, for 100 steps.* with pytorch initialization.*--init he/,
    ),
  ]);
});

test("the steps before a resume count for the warning, and a run that was warned is not warned again", async ({
  run,
}) => {
  await run.train(LONG, { team: guessingTeam(), stopAfter: 60 });
  expect(warnings(run)).toHaveLength(0);
  await run.resume(LONG, { team: guessingTeam(61), stopAfter: 110 });
  expect(warnings(run)).toHaveLength(1);
  await run.resume(LONG, { team: guessingTeam(111) });
  expect(warnings(run)).toHaveLength(1);
});

test("the warning suggests a lower --lr if --init he is used already", () => {
  const line = flatLossLine({ init: "he", initFrom: undefined }, 2.31);
  expect(line).toMatch(/--lr/);
  expect(line).not.toMatch(/--init/);
});

test.for<[string, (step: number) => number]>([
  ["falls", (step) => 2.3 * 0.999 ** step],
  ["rises", (step) => 2.3 * 1.001 ** step],
  ["varies from batch to batch", (step) => 2.47 + 0.15 * Math.sin(step * 7)],
  ["begins to fall at the end", (step) => 2.31 - 0.01 * Math.max(0, step - 80)],
  ["is low", () => 0.01],
  ["is 0", () => 0],
])("a loss that %s has no warning", ([, lossAt]) => {
  const flatLoss = new FlatLoss();
  const found = Array.from({ length: 300 }, (_, step) => flatLoss.add(step, lossAt(step)));
  expect(found.filter((loss) => loss !== undefined)).toEqual([]);
});
