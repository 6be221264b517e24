/** The cases that a run of the tests takes of a long proof. */
import { createHash } from "node:crypto";
import { test } from "vitest";

/** The seed of everything that tests draw; `LOCKSTEP_TEST_SEED` sets it. It is printed when the tests start. */
export const testSeed = Number(process.env["LOCKSTEP_TEST_SEED"] ?? 0);

/** Whether this run proves all cases (`pnpm test:long`) or a drawn one of each proof. */
export const provesAllCases = process.env["LOCKSTEP_TEST_CASES"] === "all";

/**
 * Returns all cases under `pnpm test:long`, otherwise one, or `count` successive ones, that the test seed chooses.
 *
 * @param proof a name of the proof, so that one seed draws differently for each
 */
export function drawCases<Case>(proof: string, cases: readonly Case[], count = 1): Case[] {
  if (provesAllCases || count >= cases.length) return [...cases];
  const digest = createHash("sha256").update(`${testSeed} ${proof}`).digest();
  const start = digest.readUInt32LE(0) % cases.length;
  return Array.from({ length: count }, (_, index) => cases[(start + index) % cases.length] as Case);
}

/** Returns the whole numbers below `count`: the usual seeds of a proof with drawn cases. */
export const seedsBelow = (count: number): number[] => Array.from({ length: count }, (_, seed) => seed);

/**
 * Registers the tests of a long proof by their names: all under `pnpm test:long`, otherwise one that the seed chooses.
 */
export function drawTest(proof: string, tests: Record<string, () => Promise<void>>, timeoutMs = 600_000): void {
  for (const [name, prove] of drawCases(proof, Object.entries(tests))) test(name, { timeout: timeoutMs }, prove);
}
