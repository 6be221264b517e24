import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExplicitOptions } from "@lockstep/config";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRunFolder, type RunFolder } from "../folder/run-folder.ts";
import { CountingTeam, countingRun, resumedCountingRun } from "../testing/counting-team.ts";
import { FlatLoss, flatLossLine } from "./flat-loss.ts";

let dir: string;
let folder: RunFolder;
let lines: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-flat-loss-"));
  folder = createRunFolder(join(dir, "run"), "m", new Date());
  lines = [];
});
afterEach(() => rmSync(dir, { recursive: true }));

/** 40 epochs of 3 steps. */
const LONG: ExplicitOptions = { numEpochs: 40, test: false };

function teamWith(lossAt: (step: number) => number, updates = 0): CountingTeam {
  const team = new CountingTeam(updates);
  team.lossAt = lossAt;
  team.validations.push(...new Array<number>(40).fill(1));
  return team;
}

/** The lines that speak of a loss which does not move. */
const said = () => lines.filter((line) => line.includes("stayed at"));

/** AlexNet's from PyTorch's weights: 2.303, and up to 0.03 more or less. */
const guessing = (step: number) => Math.log(10) + 0.03 * Math.sin(step * 7);

describe("a loss that stays at that of guessing for 100 steps", () => {
  test("is told once, with --init he as the remedy", async () => {
    await countingRun({ folder, options: LONG, team: teamWith(guessing), lines }).outcome();
    const [line, ...more] = said();
    expect(line).toMatch(
      /^The loss has stayed at 2\.30\d, the loss of random guessing, for 100 steps.* with pytorch initialization.*--init he/,
    );
    expect(more).toEqual([]);
  });

  test("is told in a run that was stopped on the way, and not again in one that was stopped later", async () => {
    const team = teamWith(guessing);
    await countingRun({ folder, options: LONG, team, lines, stopAfter: 60 }).outcome();
    const resume = async (stopAfter?: number) => {
      const next = teamWith(guessing, team.updates);
      lines = [];
      await resumedCountingRun({ folder, options: LONG, team: next, lines, stopAfter }).outcome();
      team.updates = next.updates;
      return said().length;
    };
    expect(await resume(110)).toBe(1);
    expect(await resume()).toBe(0);
  });

  test("has another remedy where --init he is used already", () => {
    const line = flatLossLine({ init: "he", initFrom: undefined }, 2.31);
    expect(line).toMatch(/--lr/);
    expect(line).not.toMatch(/--init/);
  });

  test.each<[string, (step: number) => number]>([
    ["falls", (step) => 2.3 * 0.999 ** step],
    ["rises", (step) => 2.3 * 1.001 ** step],
    ["varies from batch to batch", (step) => 2.47 + 0.15 * Math.sin(step * 7)],
    ["begins to fall at the end", (step) => 2.31 - 0.01 * Math.max(0, step - 80)],
    ["is low", () => 0.01],
    ["is 0", () => 0],
  ])("is not told of a loss that %s", (_, lossAt) => {
    const flatLoss = new FlatLoss();
    const found = Array.from({ length: 300 }, (_, step) => flatLoss.add(step, lossAt(step)));
    expect(found.filter((loss) => loss !== undefined)).toEqual([]);
  });
});
