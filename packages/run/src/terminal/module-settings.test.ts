/** Tests the lines about what a model's module has set. */
import { makeConfig } from "@lockstep/config";
import { expect, test } from "vitest";
import { moduleSettingsLines } from "./module-settings.ts";

const all = { written: 6, total: 6, defaultInit: "pytorch" };

test("the line says whether the weights are the module's, drawn, or from a file", () => {
  expect(moduleSettingsLines(makeConfig({}), all)).toEqual([
    "weights: loaded or set by the model's module (--init draws new ones)",
  ]);
  expect(moduleSettingsLines(makeConfig({ seed: 3 }), { written: 4, total: 6, defaultInit: "pytorch" })).toEqual([
    "weights: 4 of 6 loaded or set by the model's module, the others drawn with seed 3 (--init draws all of them)",
  ]);
  expect(moduleSettingsLines(makeConfig({ init: "he" }), all)).toEqual([
    "weights: he init, seed 0, because of --init; the weights that the model's module loaded or set are not used",
  ]);
  expect(moduleSettingsLines(makeConfig({ initFrom: "a.safetensors" }), all)).toEqual([
    "weights: from a.safetensors; the weights that the model's module loaded or set are not used",
  ]);
});

test("the line says that a compiled model's optimizer and loss are not used, and which are", () => {
  const compiled = "the optimizer Adam and the loss categoricalCrossentropy";
  expect(
    moduleSettingsLines(makeConfig({ lr: 0.05 }), { written: 0, total: 6, defaultInit: "pytorch", compiled }),
  ).toEqual([
    `compile: ${compiled} are not used; training uses SGD (learning rate 0.05, momentum 0.9, weight decay 0) and softmax cross-entropy instead`,
  ]);
});

test("a model whose module sets nothing needs no line", () => {
  expect(moduleSettingsLines(makeConfig({}), { written: 0, total: 6, defaultInit: "pytorch" })).toEqual([]);
});
