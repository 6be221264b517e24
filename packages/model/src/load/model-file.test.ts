/** Checks what is read of a module that the test writes: specs, code that is not called, and faults. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "@lockstep/testing";
import { expect, test } from "vitest";
import { readModelFile } from "./model-file.ts";

/** Reads a module of this text. Each is in a folder of its own because modules are cached. */
async function readModule(text: string, ending = "mjs") {
  const path = join(temporaryFolder(), `net.${ending}`);
  await writeFile(path, text);
  return readModelFile(path);
}

const spec = {
  name: "Tiny",
  inputShape: [4, 4, 1],
  layers: [{ type: "flatten" }, { type: "dense", name: "fc", units: 3 }],
};
const specText = JSON.stringify(spec);
const tfjs = import.meta.resolve("@tensorflow/tfjs");

test.each(["alexnet", "alexnet-cifar10"])("readModelFile knows the model %s", async (name) => {
  expect(await readModelFile(name)).toEqual({ kind: "known" });
});

test.each([
  ["as the default", `export default ${specText}; export const other = 1;`],
  ["under the name spec", `export const spec = ${specText}; export const other = 1;`],
  ["as a promise", `export default Promise.resolve(${specText});`],
])("readModelFile reads a spec exported %s, which JSON carries unchanged", async (_, text) => {
  const read = await readModule(text);
  expect(JSON.parse(JSON.stringify(read))).toEqual({ kind: "spec", spec });
});

test("readModelFile reads a TypeScript module", async () => {
  expect(
    await readModule(`const units: number = 3; export default ${specText.replace("3}", "units}")};`, "ts"),
  ).toEqual({ kind: "spec", spec });
});

test("readModelFile reports an exported function as code, and does not call it", async () => {
  expect(await readModule("export default () => { throw new Error('called'); }")).toEqual({ kind: "code" });
});

test("readModelFile reports an exported tf.LayersModel as code", async () => {
  const text = `import * as tf from ${JSON.stringify(tfjs)}; export default tf.sequential({ layers: [tf.layers.flatten({ inputShape: [4, 4, 1] })] });`;
  expect(await readModule(text)).toEqual({ kind: "code" });
});

test.each([
  ["an unknown name", "resnet", "ERR_MODEL_NAME", /^Expected --model to be alexnet or alexnet-cifar10, or the path/],
  ["a name that every object has", "toString", "ERR_MODEL_NAME", /got "toString"\.$/],
  ["a file that is not there", "./nowhere.ts", "ERR_MODEL_MODULE", /the file \/.*nowhere\.ts does not exist/],
])("readModelFile refuses %s", async (_, name, code, message) => {
  await expect(readModelFile(name)).rejects.toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(message) }),
  );
});

test.each([
  ["that exports nothing", "", "ERR_MODEL_MODULE", /it exports nothing\. Export a model spec, or a function/],
  ["with several exports of other names", "export const a = 1, b = 2;", "ERR_MODEL_MODULE", /it exports a, b\. Export/],
  ["that does not parse", "export default {", "ERR_MODEL_MODULE", /loading it failed: /],
  ["that needs what is not there", "import 'no-such-tfjs';", "ERR_MODEL_MODULE", /loading it failed: .*no-such-tfjs/],
  ["with a wrong spec", `export default ${specText.replace("3}", "-3}")};`, "ERR_MODEL_SPEC", /layers\.1\.units: /],
  ["with something else", "export default 3;", "ERR_MODEL_SPEC", /\.mjs is not a model spec:\n {2}spec: /],
])("readModelFile refuses a module %s", async (_, text, code, message) => {
  await expect(readModule(text)).rejects.toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(message) }),
  );
});
