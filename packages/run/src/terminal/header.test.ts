/** Tests the header of a run, as lines and as an object. */
import { type ExplicitOptions, makeConfig } from "@lockstep/config";
import { expect, test } from "vitest";
import { groupDevices } from "../devices.ts";
import type { Derived } from "../folder/run-file.ts";
import { derivedForTests } from "../testing/index.ts";
import { lineDisplay } from "./display.ts";
import { type HeaderFacts, headerLines, printFolder, printHeader } from "./header.ts";
import { jsonLine } from "./log.ts";

const device = { backend: "native", libraryVersion: "2.21.0", instructionSet: "AVX512", threads: 2 };
const SIZES = { parameters: 36_113_290, trainSamples: 9000, validationSamples: 1000, testSamples: 2000 };

function facts(options: ExplicitOptions = {}, changes: Partial<Derived> = {}): HeaderFacts {
  return {
    config: makeConfig({ dataset: "shapes", ...options }),
    derived: derivedForTests({ modelName: "M", ...SIZES, steps: 150, stepsPerEpoch: 282, ...changes }),
    folder: { dir: "runs/a" },
    moduleSettings: { written: 0, total: 4, defaultInit: "pytorch" },
  };
}

test("the header names the model, the data, the optimizer, the steps and the folder", () => {
  expect(headerLines(facts({ seed: 3 }, { mean: [0.5], std: [0.25] }))).toEqual([
    "model:  M, 36,113,290 parameters, pytorch init, seed 3",
    "data:   shapes: 9,000 to train, 1,000 to validate (train fraction 0.8), 2,000 to test",
    "        normalize half: mean 0.5000, std 0.2500; augment none",
    "sgd:    lr 0.01 constant, momentum 0.9, weight decay 0, batch 32 samples",
    "steps:  150, 282 per epoch",
    "folder: runs/a",
  ]);
  expect(headerLines({ ...facts(), doneSteps: 7 })).toContain("steps:  150, 282 per epoch; 7 done");
});

test.each([
  [{ written: 4 }, {}, "weights of its module"],
  [{ written: 3 }, {}, "pytorch init"],
  [{ written: 4 }, { init: "he" }, "he init"],
  [{ written: 4 }, { initFrom: "a.safetensors" }, "a.safetensors"],
])("the header says where the weights come from: %j, %j", (settings, options, expected) => {
  const { moduleSettings, ...others } = facts(options);
  const [model] = headerLines({ ...others, moduleSettings: { ...moduleSettings, ...settings } });
  expect(model).toBe(`model:  M, 36,113,290 parameters, ${expected}, seed 0`);
});

/** Returns the line about bits of a run with fixed slices on these devices. */
const bitsLine = (...devices: Parameters<typeof groupDevices>[0]) =>
  headerLines(facts({ sliceRows: 8 }, { devices: groupDevices(devices) })).find((line) => line.startsWith("bits:"));

test("with fixed slices the header says on which devices the bits are the same, and which option gives them", () => {
  expect(bitsLine(device, device)).toBe(
    "bits:   the same with any number of workers if each has native TensorFlow 2.21.0, a CPU with AVX512 and 2 threads: " +
      "add --threads 2 to runs that should agree",
  );
  expect(bitsLine({ ...device, backend: "wasm", libraryVersion: "4.22.0", threads: 1 })).toBe(
    "bits:   the same with any number of workers if each has TensorFlow.js on wasm 4.22.0, a CPU with AVX512: " +
      "add --backend wasm to runs that should agree",
  );
});

test("with fixed slices and devices that differ the header says that the bits depend on the workers", () => {
  expect(bitsLine(device, { ...device, threads: 1 })).toBe(
    "bits:   depend on which worker computes what, since the devices differ: native TensorFlow 2.21.0, a CPU with AVX512 " +
      "and 2 threads; native TensorFlow 2.21.0, a CPU with AVX512 and 1 thread",
  );
});

test("with --log json the header is one object, whose message is one line", () => {
  const lines: string[] = [];
  const display = lineDisplay((text, fields) => lines.push(jsonLine(text, fields)));
  printFolder(display, { dir: "runs/a" });
  printHeader(display, { ...facts(), doneSteps: 7 });
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { type: "folder", folder: "runs/a" },
    {
      type: "run",
      message: "M on shapes, 150 steps, in runs/a",
      folder: "runs/a",
      model: "M",
      dataset: "shapes",
      ...SIZES,
      steps: 150,
      stepsPerEpoch: 282,
      doneSteps: 7,
    },
  ]);
});
