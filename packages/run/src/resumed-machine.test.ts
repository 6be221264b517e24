/** Tests how many threads a resumed run has, and the line that says why. */
import { type MachineOptions, makeConfig } from "@lockstep/config";
import { expect, test } from "vitest";
import { groupDevices } from "./devices.ts";
import { newRunId } from "./folder/run-file.ts";
import { resumedMachineOf } from "./resumed-machine.ts";
import { derivedForTests } from "./testing/index.ts";

const devices = groupDevices([{ backend: "native", libraryVersion: "2.21.0", instructionSet: "AVX512", threads: 2 }]);

/** Resumes a run that was computed with 2 threads. */
function resumed(
  machine: MachineOptions,
  { sliceRows, explicit = {} }: { sliceRows?: number; explicit?: MachineOptions },
) {
  const saved = { derived: derivedForTests({ devices }), machine };
  return resumedMachineOf({ config: makeConfig({ sliceRows }), runId: newRunId(), saved }, explicit);
}

test("a resume keeps threads that were given", () => {
  expect(resumed({ threads: 3 }, {})).toEqual({
    machine: { threads: 3 },
    threadsLine: "threads: 3, as the run's folder says; --threads changes it",
  });
});

test("a resume with fixed slices keeps threads that the machine chose", () => {
  expect(resumed({}, { sliceRows: 8 })).toEqual({
    machine: { threads: 2 },
    threadsLine: "threads: 2, as before, because the bits of --slice-rows depend on it",
  });
});

test("a resume without fixed slices takes this machine's default", () => {
  expect(resumed({}, {})).toEqual({
    machine: {},
    threadsLine: "threads: this machine's default, as the run was started without --threads",
  });
});

test("a resume takes the threads that are given now, without a line", () => {
  expect(resumed({ threads: 3 }, { sliceRows: 8, explicit: { threads: 4 } })).toEqual({ machine: { threads: 4 } });
});

test("a new run has the options that are given", () => {
  expect(resumedMachineOf({ config: makeConfig({}), runId: newRunId() }, { threads: 4 })).toEqual({
    machine: { threads: 4 },
  });
});
