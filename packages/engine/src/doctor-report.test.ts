/** Tests the doctor's report. */

import { expect, test } from "vitest";
import type { Check } from "./doctor.ts";
import { formatReport } from "./doctor-report.ts";

const wasm: Check = { name: "backend wasm", ok: true, value: "4.22.0" };
const noNative: Check = {
  name: "backend native",
  ok: false,
  value: "not usable",
  problem: "TensorFlow is not installed.",
  remedy: "Run `pnpm run doctor --fix` to install it.",
};

test("the report marks what works, what fails and what is merely absent", () => {
  const driver: Check = { name: "NVIDIA driver", ok: true, absent: true, value: "not installed" };
  expect(
    formatReport({ checks: [driver, noNative, wasm], canTrain: true })
      .split("\n")
      .slice(0, -1),
  ).toEqual([
    "·   NVIDIA driver  not installed",
    "--  backend native not usable",
    "                   TensorFlow is not installed.",
    "                   → Run `pnpm run doctor --fix` to install it.",
    "ok  backend wasm   4.22.0",
  ]);
});

test.each<[string, Check[], boolean, string]>([
  ["native TensorFlow", [{ ...wasm, name: "backend native" }], true, "This machine can train."],
  [
    "only WebAssembly",
    [noNative, wasm],
    true,
    "This machine can train, but slowly, without native TensorFlow. Run `pnpm run doctor --fix` to install it.",
  ],
  ["no backend", [noNative], false, "This machine cannot train yet. Follow the remedies above."],
])("the last line says how a machine with %s can train", (_, checks, canTrain, verdict) => {
  expect(formatReport({ checks, canTrain }).split("\n").at(-1)).toBe(verdict);
});
