/** Tests the order in which resources are closed. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { withResources } from "./resources.ts";

/** Opens two things, fails if it is told to, and returns what happened in order. */
async function journalOf(fails: { work?: boolean; close?: boolean }) {
  const journal: string[] = [];
  const outcome = withResources(async (resources) => {
    resources.add(async () => {
      await nextTurn();
      journal.push("first closed");
    });
    resources.add(() => {
      journal.push("second closed");
      if (fails.close === true) throw new Error("close failed");
    });
    if (fails.work === true) throw new Error("work failed");
    return "done";
  });
  journal.push(await outcome.catch((error: Error) => error.message));
  return journal;
}

test("the last resource is closed first, and all are closed before the result is returned", async () => {
  expect(await journalOf({})).toEqual(["second closed", "first closed", "done"]);
});

test("all resources are closed if the work fails, and its error is thrown", async () => {
  expect(await journalOf({ work: true })).toEqual(["second closed", "first closed", "work failed"]);
  expect(await journalOf({ work: true, close: true })).toEqual(["second closed", "first closed", "work failed"]);
});

test("all resources are closed if one of them fails to close, and its error is thrown", async () => {
  expect(await journalOf({ close: true })).toEqual(["second closed", "first closed", "close failed"]);
});
