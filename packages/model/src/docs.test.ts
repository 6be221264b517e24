/** Loads every module in docs/models.md, and compares its figures with the nets. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { tf } from "@lockstep/engine";
import { defined, test } from "@lockstep/testing";
import { expect } from "vitest";
import { alexnet } from "./architectures/alexnet.ts";
import { alexnetCifar10 } from "./architectures/alexnet-cifar10.ts";
import { assertTrainable } from "./checks/assert-trainable.ts";
import { loadModel } from "./load/load.ts";
import { describeModel } from "./spec/describe.ts";
import { saveModel } from "./testing/save-for-tests.ts";

const docs = await readFile(new URL("../../../docs/models.md", import.meta.url), "utf8");

test("the modules in docs/models.md load and can be trained", async ({ folder }) => {
  await tf.setBackend("cpu");
  const modules = [...docs.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text]) => defined(text));
  const conv1 = { name: "conv1", inputShape: [32, 32, 3], filters: 8, kernelSize: 5 };
  await saveModel(tf.sequential({ layers: [tf.layers.conv2d(conv1)] }), folder);
  const names: string[] = [];
  for (const [index, text] of modules.entries()) {
    const path = join(folder, `my-model-${index}.ts`);
    await writeFile(path, text.replace("file:///data/trained", pathToFileURL(folder).href));
    const { name, model } = await loadModel(path, { numClasses: 10 });
    await assertTrainable(model, { numClasses: 10 });
    names.push(name);
  }
  expect(names).toEqual(["LeNet", "Shortcut", "FineTuned"]);
});

test("the figures in docs/models.md are those of the nets", () => {
  const [paper, cifar] = [alexnet(), alexnetCifar10()].map(describeModel);
  const row = (label: string, of: "parameters" | "macs") =>
    `| ${label} | ${defined(paper)[of].toLocaleString("en-US")} | ${defined(cifar)[of].toLocaleString("en-US")} |`;
  expect(docs).toContain(row("parameters", "parameters"));
  expect(docs).toContain(row("multiply-accumulates per image", "macs"));
});
