/** Checks the start from weights whose files are sorted otherwise, have a prefix, or are of another model. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeConfig } from "@lockstep/config";
import { type NamedTensor, writeSafetensors } from "@lockstep/formats";
import { type ExpectedTensor, type ModelSpec, specStateDict } from "@lockstep/model/files";
import { defined, temporaryFolder, test } from "@lockstep/testing";
import { expect } from "vitest";
import tinySpec from "../../../../test/fixtures/tiny-model.js";
import { openDistributedRun } from "./open-run.ts";

const tiny = tinySpec as ModelSpec;
const tinyModel = join(import.meta.dirname, "../../../../test/fixtures/tiny-model.js");

/** Tensors whose numbers tell which they are, sorted by name as `safetensors.torch.save_file` does. */
function sortedTensors(expected: readonly ExpectedTensor[], prefix = ""): NamedTensor[] {
  const tensors = expected.map(({ name, torchShape }, index) => {
    const data = new Float32Array(torchShape.reduce((a, b) => a * b)).fill(index);
    return { name: prefix + name, shape: torchShape, data };
  });
  return tensors.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function startFrom(tensors: NamedTensor[], model = tinyModel) {
  const folder = temporaryFolder();
  const initFrom = join(folder, "init.safetensors");
  await writeSafetensors(initFrom, tensors);
  const out = join(folder, "out");
  const lines: string[] = [];
  const config = makeConfig({ model, initFrom, dataset: "shapes" });
  const run = openDistributedRun({ type: "new", config, out }, { line: (line) => lines.push(line) });
  return { run, out, lines };
}

test("a coordinator puts the weights of --init-from in the model's order, whatever order the file has", async () => {
  const expected = specStateDict(tiny);
  const sorted = sortedTensors(expected);
  expect(sorted.map(({ name }) => name)).not.toEqual(expected.map(({ name }) => name));
  const { run, lines } = await startFrom(sorted);
  const { state } = await run;
  expect(defined(state, "the state").map(({ name, weight }) => [name, weight[0]])).toEqual(
    expected.map(({ name }, i) => [name, i]),
  );
  expect(lines).toEqual([]);
});

test("a coordinator says which prefix of --init-from it leaves out", async () => {
  const expected = specStateDict(tiny);
  const { run, lines } = await startFrom(sortedTensors(expected, "module."));
  expect(defined((await run).state).map(({ name }) => name)).toEqual(expected.map(({ name }) => name));
  expect(lines).toEqual(['every name in the file of weights starts with "module."; this prefix is removed']);
});

test("a coordinator refuses weights of another model before it listens, and leaves no folder", async () => {
  const { run, out } = await startFrom(sortedTensors(specStateDict(tiny)).slice(1));
  await expect(run).rejects.toMatchObject({
    code: "ERR_STATE_DICT",
    message: expect.stringContaining("The weights do not match the model:\n  conv1.0.bias is missing\n"),
  });
  expect(existsSync(out)).toBe(false);
});

test("a coordinator refuses a model that does not fit the data set before it listens", async ({ folder }) => {
  const model = join(folder, "two-outputs.mjs");
  writeFileSync(
    model,
    `export default { name: "Two", inputShape: [32, 32, 3], layers: [{ type: "flatten" }, { type: "dense", name: "fc", units: 2 }] };`,
  );
  const config = makeConfig({ model, dataset: "shapes" });
  const run = openDistributedRun({ type: "new", config, out: join(folder, "out") }, { line: () => {} });
  await expect(run).rejects.toMatchObject({
    code: "ERR_MODEL_DATA",
    message: expect.stringContaining("Expected a model with 10 outputs, as shapes has"),
  });
});
