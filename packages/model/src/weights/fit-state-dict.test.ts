/** Checks weights whose names are in another order, have a prefix, or belong to another model. */
import { elementCount } from "@lockstep/formats";
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { assertStateDict, fitStateDict } from "./fit-state-dict.ts";
import type { StateTensor } from "./state-tensors.ts";

const MODEL = [
  { name: "conv1.0.weight", torchShape: [2, 3, 1, 1] },
  { name: "conv1.0.bias", torchShape: [2] },
  { name: "fc.1.weight", torchShape: [4, 2] },
];

/** A state dict in which the numbers of each tensor tell where it stands in the model. */
function dictOf(names: string[], prefix = ""): Map<string, StateTensor> {
  return new Map(
    names.map((name) => {
      const index = MODEL.findIndex((tensor) => tensor.name === name);
      const shape = MODEL[index]?.torchShape ?? [1];
      return [prefix + name, { shape, data: new Float32Array(elementCount(shape)).fill(index) }];
    }),
  );
}
const names = MODEL.map(({ name }) => name);
const sorted = [...names].sort();

test("fitStateDict returns the weights in the model's order, whatever order the file has them in", () => {
  expect(sorted).not.toEqual(names);
  const { tensors, prefix } = fitStateDict(MODEL, dictOf(sorted));
  expect([...tensors.keys()]).toEqual(names);
  expect([...tensors.values()].map(({ data }) => data[0])).toEqual([0, 1, 2]);
  expect(prefix).toBe("");
});

test.each(["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "net."])(
  "the weights may all have the prefix %s, which fitStateDict removes and returns",
  (prefix) => {
    const fitted = fitStateDict(MODEL, dictOf(sorted, prefix));
    expect(fitted.prefix).toBe(prefix);
    expect([...fitted.tensors.keys()]).toEqual(names);
    expect(defined(fitted.tensors.get("conv1.0.bias")).data).toEqual(Float32Array.of(1, 1));
  },
);

test("fitStateDict keeps a common prefix that the model's names have too", () => {
  const model = [
    { name: "module.weight", torchShape: [1] },
    { name: "module.bias", torchShape: [1] },
  ];
  const dict = new Map(model.map(({ name, torchShape }) => [name, { shape: torchShape, data: Float32Array.of(1) }]));
  expect(fitStateDict(model, dict).prefix).toBe("");
});

test("weights that do not fit without their prefix either are refused with the prefix and what differs without it", () => {
  const dict = dictOf(names.slice(1), "module.");
  expect(() => fitStateDict(MODEL, dict)).toThrow(
    'The weights do not match the model (after removing the prefix "module." of all names):\n' +
      "  conv1.0.weight is missing\n",
  );
  expect(() => fitStateDict(MODEL, dict)).toThrow(expect.objectContaining({ code: "ERR_STATE_DICT" }));
});

test("a prefix that one weight lacks is not removed", () => {
  const dict = new Map([...dictOf(names.slice(0, 2), "module."), ...dictOf(names.slice(2))]);
  expect(() => fitStateDict(MODEL, dict)).toThrow("  module.conv1.0.weight is unexpected\n");
});

test("the error for weights of another model does not mention prefixes", () => {
  const dict = dictOf(["layer1.weight", "layer1.bias"]);
  expect(() => fitStateDict(MODEL, dict)).toThrow("do not match the model:\n  conv1.0.weight is missing\n");
});

test("an empty state dict is refused", () => {
  expect(() => fitStateDict(MODEL, new Map())).toThrow("  fc.1.weight is missing\n");
});

test("the error for weights with many faults or long names has a bounded length", () => {
  const strange = Array.from({ length: 3000 }, (_, i) => `${i}`.padEnd(5000, "x"));
  const message = messageOf(() => assertStateDict(MODEL, dictOf([...names, ...strange])));
  expect(message).toContain(`\n  ${"0".padEnd(100, "x")}… (5000 characters) is unexpected\n`);
  expect(message).toContain("\n  and 2980 more\n");
  expect(message.length).toBeLessThan(4000);
});

function messageOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("It threw nothing.");
}
