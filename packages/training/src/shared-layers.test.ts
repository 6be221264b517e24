/** Compares gradients of shared layers with those of separate layers and of TensorFlow.js itself. */
import type { ParameterValues } from "@lockstep/engine";
import { readBack, startEngine, tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { factorableKernels } from "@lockstep/model";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { disposeContribution } from "./contribution.ts";
import { Replica } from "./replica.ts";
import { computeGradients, tensorsOf } from "./slice/gradients.ts";
import { LapClock } from "./step-clock.ts";
import { batchOf, valuesFor } from "./testing/small-model.ts";
import { applyUpdate } from "./update.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

const { layers } = tf;
type Layer = tf.layers.Layer;
type Make = () => Layer;
const chain = (inputs: tf.SymbolicTensor, parts: readonly Layer[]) =>
  parts.reduce((x, part) => part.apply(x) as tf.SymbolicTensor, inputs);

/** Returns a function that returns the same layer each time. */
const shared = (make: Make): Make => {
  const layer = make();
  return () => layer;
};

/** Returns losses and weights of three steps. */
async function train(model: tf.LayersModel, values: ParameterValues[] = valuesFor(model)): Promise<Float32Array[]> {
  const replica = new Replica(model, values, { factoredKernels: factorableKernels(model) });
  const outcome: Float32Array[] = [];
  for (const step of [0, 1, 2]) {
    const options = { seed: 3, step, clock: new LapClock() };
    const update = await computeGradients(replica, batchOf(7 * step, 7 * step + 7), options);
    outcome.push(Float32Array.of(update.lossSum));
    applyUpdate(replica.parameters, update, { learningRate: 0.1, momentum: 0.9, weightDecay: 1e-4 });
    disposeContribution(update);
  }
  for (let index = 0; index < replica.parameters.length; index++) {
    outcome.push((await readBack(replica.parameters.weight(index))).slice());
  }
  replica.dispose();
  return outcome;
}

const images = () => tf.input({ shape: [8, 8, 3] });

/** Makes a model of two Dense layers, with another layer before, between and after them. */
function around(something: Make): tf.LayersModel {
  const inputs = images();
  const dense = [layers.dense({ units: 16, activation: "relu" }), layers.dense({ units: 5 })] as const;
  const outputs = chain(inputs, [layers.flatten(), something(), dense[0], something(), dense[1], something()]);
  return tf.model({ inputs, outputs });
}

/** Makes a model of two Dropout layers and a ReLU, without weights. */
const innerModel = () => {
  const inputs = tf.input({ shape: [16] });
  const outputs = chain(inputs, [layers.dropout({ rate: 0.2 }), layers.reLU(), layers.dropout({ rate: 0.4 })]);
  return tf.model({ inputs, outputs });
};
const aroundModel = (inner: Make) => {
  const inputs = images();
  const outputs = chain(inputs, [
    layers.flatten(),
    layers.dense({ units: 16 }),
    inner(),
    layers.dense({ units: 16 }),
    inner(),
    layers.dense({ units: 5 }),
  ]);
  return tf.model({ inputs, outputs });
};

const alike: [string, (share: (make: Make) => Make) => tf.LayersModel][] = [
  ["ReLU", (share) => around(share(() => layers.reLU()))],
  ["Dropout", (share) => around(share(() => layers.dropout({ rate: 0.3 })))],
  ["model that holds Dropout", (share) => aroundModel(share(innerModel))],
];
test.each(alike)("a shared %s trains like separate layers, to the bit", async (_, make) => {
  expect(await train(make(shared))).toEqual(await train(make((one) => one)));
});

/** Checks the replica's gradients against those of TensorFlow.js for the model without taps. */
async function assertGradients(factored: number, make: () => tf.LayersModel): Promise<void> {
  const [untapped, tapped] = [make(), make()];
  const values = valuesFor(untapped);
  untapped.setWeights(values.map(({ shape, weight }) => tf.tensor(weight, shape)));
  const { images, labels } = tensorsOf(batchOf(0, 7));
  const { value, grads } = tf.variableGrads(() => {
    const logits = untapped.apply(images, { training: true }) as tf.Tensor2D;
    return tf.logSoftmax(logits).mul(tf.oneHot(labels, 5)).sum().neg() as tf.Scalar;
  });
  const replica = new Replica(tapped, values, { factoredKernels: factorableKernels(tapped) });
  const contribution = await computeGradients(replica, batchOf(0, 7), { seed: 3, step: 0, clock: new LapClock() });
  expect(contribution.lossSum).toBeCloseTo(at(value.dataSync(), 0), 4);
  for (const [index, gradient] of contribution.gradients.entries()) {
    const { name } = at(untapped.weights, index);
    const dense = gradient.form === "dense" ? gradient.sum : tf.matMul(gradient.input, gradient.delta, true, false);
    const expected = defined(grads[name], "the gradient");
    const error = dense.sub(expected).norm().div(expected.norm());
    expect(error.dataSync()[0], name).toBeLessThan(1e-5);
  }
  expect(contribution.gradients.filter(({ form }) => form === "factored").length).toBe(factored);
}

test("a shared Dense layer gets the sum of its gradients", async () => {
  await assertGradients(2, () => {
    const inputs = images();
    const twice = layers.dense({ units: 12, activation: "tanh" });
    const flat = chain(inputs, [layers.flatten(), layers.dense({ units: 12 })]);
    return tf.model({ inputs, outputs: chain(flat, [twice, twice, layers.dense({ units: 5 })]) });
  });
});

test("a shared Conv2D layer in a shared nested model gets the sum of its gradients", async () => {
  await assertGradients(1, () => {
    const conv = layers.conv2d({ filters: 3, kernelSize: 3, padding: "same", activation: "tanh" });
    const innermost = () => {
      const inputs = tf.input({ shape: [8, 8, 3] });
      return tf.model({ inputs, outputs: chain(inputs, [conv, conv]) });
    };
    const held = innermost();
    const middle = images();
    const twice = tf.model({ inputs: middle, outputs: chain(middle, [held, held]) });
    const inputs = images();
    const tail = tf.sequential({
      layers: [layers.flatten({ inputShape: [8, 8, 3] }), layers.dense({ units: 5, name: "tail" })],
    });
    return tf.model({ inputs, outputs: chain(inputs, [twice, twice, tail]) });
  });
});

test("a Dense layer in a nested model has factors, and a shared one of the same name has none", async () => {
  await assertGradients(3, () => {
    const inputs = images();
    const holder = () => tf.sequential({ layers: [layers.dense({ name: "fc", units: 8, inputShape: [8] })] });
    const [once, twice] = [holder(), holder()] as const;
    const outputs = chain(inputs, [
      layers.flatten(),
      layers.dense({ name: "first", units: 8 }),
      twice,
      once,
      twice,
      layers.dense({ name: "last", units: 5 }),
    ]);
    return tf.model({ inputs, outputs });
  });
});

test("a custom layer may read its weights in its own way", async () => {
  class Scale extends layers.Layer {
    static className = "Scale";
    #factors: tf.LayerVariable | undefined;
    override build([, units]: [number, number]): void {
      this.#factors = this.addWeight("factors", [units], "float32", tf.initializers.ones());
      super.build([null, units]);
    }
    override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
      return tf.tidy(() =>
        defined(this.#factors)
          .read()
          .mul(at([inputs].flat(), 0)),
      );
    }
  }
  await assertGradients(2, () => {
    const inputs = images();
    const scale = new Scale({ name: "scale" });
    const parts = [layers.flatten(), layers.dense({ units: 6 }), scale, scale, layers.dense({ units: 5 })];
    return tf.model({ inputs, outputs: chain(inputs, parts) });
  });
});
