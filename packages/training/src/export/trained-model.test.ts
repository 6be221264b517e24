/** Checks that a module which makes another model now than in the run is noticed. */
import { tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { stateDictNames, tfjsTopologyOf, topologyDigest } from "@lockstep/model";
import { expect, test } from "vitest";
import { isModelOf } from "./trained-model.ts";

const net = (units: number, dataFormat: "channelsFirst" | "channelsLast") =>
  tf.sequential({
    layers: [
      tf.layers.flatten({ inputShape: [2, 3, 4], dataFormat }),
      tf.layers.dense({ name: "fc", units }),
      tf.layers.dense({ name: "out", units: 2 }),
    ],
  });

test("a run's model is distinguished from one with other layers or another layout of the weights", () => {
  const model = net(5, "channelsLast");
  const names = stateDictNames(model);
  const started = { topologyDigest: topologyDigest(tfjsTopologyOf(model, names)) };
  const isSame = (other: tf.LayersModel, layout = stateDictNames(other)) =>
    isModelOf(started, { model: other }, layout);
  expect(isSame(net(5, "channelsLast"))).toBe(true);
  expect(isSame(net(6, "channelsLast"))).toBe(false);
  expect(isSame(net(5, "channelsFirst"))).toBe(false);
  expect(isSame(model, [{ ...at(names, 0), axes: [3, 8, 5] }, ...names.slice(1)])).toBe(false);
});
