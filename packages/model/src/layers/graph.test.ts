/** Checks the applications of layers in nested, shared and partly unused models. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { applied } from "../testing/tensors.ts";
import { type Application, graphOf } from "./graph.ts";

beforeAll(() => tf.setBackend("cpu"));

const { layers } = tf;
const chain = (inputs: tf.SymbolicTensor, ...parts: tf.layers.Layer[]) =>
  parts.reduce((x, part) => applied(part, x), inputs);
const vector = () => tf.input({ name: "x", shape: [4] });
const dense = (name: string) => layers.dense({ name, units: 4 });
/** The names of the layers from the input to this application, for graphs that are chains. */
const way = ({ layer, inputs }: Application): string[] => [...inputs.flatMap(({ source }) => way(source)), layer.name];

test("the graph has a node for each application of a layer, and for the layers of nested models", () => {
  const [shared, inner, outer, inputs] = [dense("shared"), vector(), vector(), vector()];
  const block = tf.model({ inputs: inner, outputs: chain(inner, shared, dense("inner")) });
  const twice = tf.model({ inputs: outer, outputs: chain(outer, block, dense("between"), block) });
  const model = tf.model({ inputs, outputs: chain(inputs, dense("first"), twice, twice) });
  const { applications, outputs } = graphOf(model);
  const once = ["shared", "inner", "between", "shared", "inner"];
  expect(way(defined(outputs[0]).source)).toEqual(["x", "first", ...once, ...once]);
  expect(applications.length).toBe(12);
  expect(applications.filter(({ layer }) => layer === shared).length).toBe(4);
});

test("the graph omits nodes that no output needs, and contains a node that is needed twice once", () => {
  const [inputs, shared] = [vector(), dense("shared")];
  const x = chain(inputs, shared);
  chain(x, shared); // goes nowhere
  const model = tf.model({
    inputs,
    outputs: applied(layers.add({ name: "sum" }), [x, chain(x, dense("a"))]),
  });
  expect(graphOf(model).applications.map(({ layer }) => layer.name)).toEqual(["x", "shared", "a", "sum"]);
});

test("the first model in a Sequential, which adopts its layers, is treated like any other", () => {
  const head = tf.sequential({ layers: [layers.dense({ name: "a", units: 4, inputShape: [4] }), dense("b")] });
  const whole = tf.sequential({ layers: [head, dense("c")] });
  const inputs = vector();
  const model = tf.model({ inputs, outputs: chain(inputs, whole, head) });
  expect(way(defined(graphOf(model).outputs[0]).source)).toEqual(["x", "a", "b", "c", "a", "b"]);
});

test("the graph of a model with several outputs follows the output that is used", () => {
  const [inner, inputs] = [vector(), vector()];
  const fork = tf.model({ inputs: inner, outputs: [chain(inner, dense("left")), chain(inner, dense("right"))] });
  const [, right] = fork.apply(inputs) as tf.SymbolicTensor[];
  expect(way(defined(graphOf(tf.model({ inputs, outputs: defined(right) })).outputs[0]).source)).toEqual([
    "x",
    "right",
  ]);
});
