/** Tests the examples of docs/extending.md. exchange.test.ts tests its exchange. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeBatch } from "@lockstep/dataset";
import { startEngine } from "@lockstep/engine";
import { assertTrainable, loadModel } from "@lockstep/model";
import { defined, temporaryFolder } from "@lockstep/testing";
import { expect, test } from "vitest";
import { openIdx } from "./examples/idx-records.ts";
import { readPage } from "./testing/documentation/documented.ts";

const examples = ["small-vgg", "idx-records", "shared-exchange"].map((name) => `test/src/examples/${name}.ts`);
const root = join(import.meta.dirname, "../..");

test("docs/extending.md quotes the example files", () => {
  const shown = [...readPage("docs/extending.md").matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text]) => text);
  expect(shown).toEqual(examples.map((path) => readFileSync(join(root, path), "utf8")));
});

test("the example model adapts to the data set's classes and image size, and can be trained", async () => {
  await startEngine({ backend: "cpu" });
  const { name, model, inputShape } = await loadModel(defined(examples[0]), {
    numClasses: 7,
    imageSize: [28, 28],
    inputChannels: 1,
  });
  await assertTrainable(model, { numClasses: 7 });
  expect([name, inputShape, defined(model.outputs[0]).shape]).toEqual(["SmallVGG", [28, 28, 1], [null, 7]]);
  model.dispose();
});

/** Two images of 2 × 3 pixels, with labels 1 and 0. */
const IMAGES = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 51, 102, 153, 204, 255, 255, 204, 153, 102, 51, 0];
const LABELS = [0, 0, 8, 1, 0, 0, 0, 2, 1, 0];

function open(images: number[], labels: number[]) {
  const folder = temporaryFolder();
  const [imagesPath, labelsPath] = [join(folder, "images"), join(folder, "labels")];
  writeFileSync(imagesPath, Uint8Array.from(images));
  writeFileSync(labelsPath, Uint8Array.from(labels));
  return openIdx(imagesPath, labelsPath, ["shirt", "shoe"]);
}

test("the example records make batches", () => {
  const { images, labels } = makeBatch({
    records: open(IMAGES, LABELS),
    order: Uint32Array.of(1, 0),
    start: 0,
    end: 2,
    epoch: 0,
    seed: 0,
    normalize: { mean: [0], std: [1] },
    augment: "none",
    height: 2,
    width: 3,
  });
  expect([...labels]).toEqual([0, 1]);
  expect([...images].map((value) => Number(value.toFixed(6)))).toEqual([
    1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0.2, 0.4, 0.6, 0.8, 1,
  ]);
});

test("invalid or truncated IDX files are refused by name", () => {
  expect(() => open([1, ...IMAGES.slice(1)], LABELS)).toThrow(/a header in .*images/);
  expect(() => open(IMAGES.slice(0, 10), LABELS)).toThrow(/a header in .*images/);
  expect(() => open(IMAGES.slice(0, -1), LABELS)).toThrow(/2 pictures in .*images/);
  expect(() => open(IMAGES, LABELS.slice(0, -1))).toThrow(/2 labels in .*labels/);
  expect(() => open(IMAGES, [...LABELS.slice(0, -1), 2])).toThrow(/labels below 2 in .*labels/);
});
