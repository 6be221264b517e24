/** Tests where a resumed run computes. */
import { expect, test } from "vitest";
import { resumedMachine } from "./command-line.ts";

test.each([
  ["with the threads that keep its bits", {}, {}, { threads: 1 }],
  [
    "with these threads also if a backend is demanded",
    {},
    { backend: "native" as const },
    { backend: "native", threads: 1 },
  ],
  ["with these threads also if GPUs are refused", { gpu: 0 }, { gpu: false }, { gpu: false, threads: 1 }],
  ["with the threads that the run began with", { threads: 3 }, { gpu: true }, { gpu: true, threads: 3 }],
  ["with the threads that are given now", { threads: 3, gpu: 0 }, { threads: 4 }, { gpu: 0, threads: 4 }],
])("a resumed run computes %s", (_, saved, explicit, expected) =>
  expect(resumedMachine(saved, explicit, 1)).toEqual(expected),
);
