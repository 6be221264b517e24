import { describe, expect, test } from "vitest";
import { resumedMachine } from "./command-line.ts";

describe("where a resumed run computes", () => {
  test.each([
    ["with the threads that keep its bits", {}, {}, { threads: 1 }],
    ["also if a backend is demanded", {}, { backend: "native" as const }, { backend: "native", threads: 1 }],
    ["or if GPUs are refused", { gpu: 0 }, { gpu: false }, { gpu: false, threads: 1 }],
    ["but for threads that the run began with", { threads: 3 }, { gpu: true }, { gpu: true, threads: 3 }],
    ["and for those that are given now", { threads: 3, gpu: 0 }, { threads: 4 }, { gpu: 0, threads: 4 }],
  ])("is %s", (_, saved, explicit, expected) => expect(resumedMachine(saved, explicit, 1)).toEqual(expected));
});
