/** Checks topologies that are valid but for one fault. */
import { expect, test } from "vitest";
import { tfjsTopologySchema } from "./topology.ts";

const topology = {
  modelTopology: {},
  format: "layers-model",
  generatedBy: "",
  convertedBy: null,
  weights: [{ name: "a/kernel", shape: [2, 3], dtype: "float32", stateDictName: "a.weight", axes: [1, 2, 3] }],
};
const withWeight = (change: object) => ({ ...topology, weights: [{ ...topology.weights[0], ...change }] });

test.each([
  ["without its layers", { ...topology, modelTopology: undefined }],
  ["with a field that it does not have", { ...topology, weightData: "" }],
  [
    "nested more deeply than JSON can say",
    { ...topology, modelTopology: JSON.parse(`{"a":${"[".repeat(1e5)}${"]".repeat(1e5)}}`) },
  ],
  ["with a weight of another type", withWeight({ dtype: "int32" })],
  ["with a weight of no size", withWeight({ shape: [2, -3] })],
  ["with axes that are not those of the shape", withWeight({ axes: [2, 2, 3] })],
])("the schema refuses a topology %s", (_, value) => {
  expect(tfjsTopologySchema.safeParse(topology).success).toBe(true);
  expect(tfjsTopologySchema.safeParse(value).success).toBe(false);
});
