import { LockstepError } from "@lockstep/errors";
import { expect, test } from "vitest";
import { CommonRefusals } from "./common-refusals.ts";

const refused = () => new LockstepError("ERR_MODEL_DATA", "Too few outputs.");

test("what was refused before a step was made counts no more", () => {
  const refusals = new CommonRefusals(2);
  expect(refusals.note(refused(), 0)).toBe(false);
  expect(refusals.note(refused(), 1)).toBe(false);
  expect(refusals.note(refused(), 1)).toBe(true);
});

test("different reasons are counted apart", () => {
  const refusals = new CommonRefusals(2);
  expect(refusals.note(refused(), 0)).toBe(false);
  expect(refusals.note(new LockstepError("ERR_NORMALIZE", "Three channels."), 0)).toBe(false);
  expect(refusals.note(refused(), 0)).toBe(true);
});
