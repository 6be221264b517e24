/** Tests the errors of a run's config.json. */
import { version } from "@lockstep/config";
import { expect, test } from "vitest";
import { derivedForTests } from "../testing/derived.ts";
import { parseRunFile } from "./run-file.ts";

test("an unknown option in a run file is refused with the version that wrote the file", () => {
  const derived = { ...derivedForTests({}), lockstep: "9.1.0" };
  const parse = () => parseRunFile({ machine: {}, derived, warmth: 3 }, "/runs/a/config.json");
  expect(parse).toThrow(
    /^\/runs\/a\/config\.json does not describe a run: Unknown option "warmth"\..* It was written by Lockstep 9\.1\.0, and this is \S+\. Use that version, restore the file, or start a new run\.$/,
  );
});

test("a run file of this version that is damaged is to be restored", () => {
  const derived = { ...derivedForTests({}), lockstep: version };
  expect(() => parseRunFile({ derived, lr: 0.1 }, "config.json")).toThrow(
    /machine.* Restore it, or start a new run\.$/s,
  );
});
