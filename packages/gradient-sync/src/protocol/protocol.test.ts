/** Compares the messages in the documentation with those in the schemas. */
import { readFileSync } from "node:fs";
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { PROTOCOL_VERSION } from "./limits.ts";
import { coordinatorMessageSchema, workerMessageSchema } from "./messages.ts";

const page = readFileSync(new URL("../../../../docs/protocol.md", import.meta.url), "utf8");
const types = [workerMessageSchema, coordinatorMessageSchema].flatMap(({ options }) =>
  options.map(({ shape }) => shape.type.value),
);

test("docs/protocol.md describes every message, and no other", () => {
  for (const type of types) expect(page, type).toMatch(new RegExp(`\`${type}\``));
  const mentioned = [...page.matchAll(/`([a-z]+(?:-[a-z]+)*)`/g)].map(([, word]) => defined(word));
  const fields = ["type", "subtree", "attempt"];
  expect(mentioned.filter((word) => !(types as string[]).includes(word) && !fields.includes(word))).toEqual([]);
});

test("docs/protocol.md states the current version of the protocol", () =>
  expect(page).toContain(`Version: ${PROTOCOL_VERSION}.`));
